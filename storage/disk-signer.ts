import { createHmac, timingSafeEqual } from "node:crypto";
import { type ShownType, shownTypes } from "./index.ts";

export type DiskSigner = {
  sign: (grant: Grant & { expiresSeconds: number; signedAt?: Date }) => string;
  /** What a signed address allows, or undefined when it is forged or expired. */
  verify: (method: string, url: URL) => Grant | undefined;
};

/** What an address allows: one method on one key, and how the answer looks. */
export type Grant = {
  method: "GET" | "HEAD" | "PUT";
  key: string;
  sizeBytes?: number;
  fileName?: string;
  cacheControl?: string;
  shownAs?: ShownType;
};

const methods = ["GET", "HEAD", "PUT"] as const;

/** Signs addresses below `base`/storage/ with HMAC-SHA256 (RFC 2104) over every part of the grant and its end in seconds. */
export function openDiskSigner({ base, secret }: { base: () => string; secret: string }): DiskSigner {
  const mac = (grant: Grant, expires: string) =>
    createHmac("sha256", secret)
      .update(
        JSON.stringify([
          grant.method,
          grant.key,
          expires,
          grant.sizeBytes ?? null,
          grant.fileName ?? null,
          grant.cacheControl ?? null,
          grant.shownAs ?? null,
        ]),
      )
      .digest("base64url");
  return {
    sign: ({ expiresSeconds, signedAt = new Date(), ...grant }) => {
      const expires = String(Math.floor(signedAt.getTime() / 1000) + expiresSeconds);
      const query = new URLSearchParams({ expires });
      if (grant.sizeBytes !== undefined) query.set("size", String(grant.sizeBytes));
      if (grant.fileName !== undefined) query.set("name", grant.fileName);
      if (grant.cacheControl !== undefined) query.set("cache", grant.cacheControl);
      if (grant.shownAs !== undefined) query.set("type", grant.shownAs);
      query.set("signature", mac(grant, expires));
      return `${base()}/storage/${grant.key}?${query}`;
    },
    verify: (method, url) => {
      const known = methods.find((name) => name === method);
      const expires = url.searchParams.get("expires") ?? "";
      const size = url.searchParams.get("size");
      const fileName = url.searchParams.get("name");
      const cacheControl = url.searchParams.get("cache");
      const shownAs = shownTypes.find((type) => type === url.searchParams.get("type"));
      if (!known || !/^\d{1,12}$/.test(expires) || (size !== null && !/^\d{1,16}$/.test(size))) return undefined;
      const grant: Grant = {
        method: known,
        key: url.pathname.slice("/storage/".length),
        ...(size !== null && { sizeBytes: Number(size) }),
        ...(fileName !== null && { fileName }),
        ...(cacheControl !== null && { cacheControl }),
        ...(shownAs && { shownAs }),
      };
      const given = Buffer.from(url.searchParams.get("signature") ?? "", "base64url");
      const right = Buffer.from(mac(grant, expires), "base64url");
      if (given.length !== right.length || !timingSafeEqual(given, right)) return undefined;
      return Number(expires) * 1000 < Date.now() ? undefined : grant;
    },
  };
}
