import { AwsV4Signer } from "aws4fetch";
import type { SignedRequest } from "./index.ts";

type Sign<Method> = {
  method: Method;
  key: string;
  query: Record<string, string>;
  headers: Record<string, string>;
  expiresSeconds: number;
  signedAt?: Date;
};

type Signer = { publicEndpoint: string; bucket: string; region: string; accessKey: string; secretKey: string };

/** Signs all given headers, so that a request with another length or digest is refused by the storage. */
export function openSigner({ publicEndpoint, bucket, region, accessKey, secretKey }: Signer) {
  const cache = new Map<string, ArrayBuffer>();
  return async <Method extends string>({
    method,
    key,
    query,
    headers,
    expiresSeconds,
    signedAt = new Date(),
  }: Sign<Method>) => {
    const url = new URL(`${publicEndpoint}/${bucket}/${encodeURI(key)}`);
    for (const [name, value] of Object.entries({ ...query, "X-Amz-Expires": String(expiresSeconds) }))
      url.searchParams.set(name, value);
    if (cache.size > 8) cache.clear(); // one signing key a day
    const signer = new AwsV4Signer({
      method,
      url: url.href,
      headers,
      accessKeyId: accessKey,
      secretAccessKey: secretKey,
      region,
      service: "s3",
      signQuery: true,
      allHeaders: true,
      datetime: signedAt.toISOString().replace(/[:-]|\.\d{3}/g, ""),
      cache,
    });
    const signed = await signer.sign();
    return { method, url: signed.url.href, headers } satisfies Omit<SignedRequest, "method"> & { method: Method };
  };
}
