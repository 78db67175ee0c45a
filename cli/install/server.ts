import { type Static, Type } from "@sinclair/typebox";
import { Fault } from "../../fault.ts";
import { signatureHeader } from "../../manifest-signature.ts";
import { type Client, readAnswer } from "../client.ts";
import { KnownKey, type Origin } from "./origin.ts";

const Latest = Type.Object({ version: Type.String() });
const About = Type.Object({ manifestKeys: Type.Array(KnownKey) });
const Signed = Type.Object({ urls: Type.Record(Type.String(), Type.String()) });

/** A pack of the server behind a client, by its name there. */
export function packServer(client: Client, slug: string): Origin {
  const pack = `/v1/packs/${encodeURIComponent(slug)}`;
  return {
    url: client.server,
    slug,
    source: undefined,
    async readRelease({ version: wanted, channel, known, signal }) {
      const latest = async (): Promise<Static<typeof Latest>> =>
        readAnswer(Latest, (await client.request("GET", `${pack}/latest`, { query: { channel }, signal })).json);
      const version = wanted ?? (await latest()).version;
      const etag = known?.version === version ? known.etag : "";
      return readManifest(client, `${pack}/versions/${encodeURIComponent(version)}/manifest`, { etag, signal });
    },
    signUrls: (sha256, { signal }) => signUrls(client, "/v1/blobs/urls", { sha256, signal }),
    openBundle: (sha256, { signal }) => client.open("/v1/blobs/bundle", { body: { sha256 }, signal }),
    readKeys: (options) => readKeys(client, options),
  };
}

/** A pack of a server by a share link: `token` is its secret. Whoever has it needs no account, and none is told. */
export function linkedPack(client: Client, { token, slug }: { token: string; slug: string }): Origin {
  const path = `/p/t/${token}/${encodeURIComponent(slug)}`;
  return {
    url: client.server,
    slug,
    source: { kind: "link", address: `${client.server}${path}` },
    readRelease({ version, channel, known, signal }) {
      const ref = version ?? channel ?? "latest";
      const etag = known?.etag ?? "";
      return readManifest(client, `${path}/${encodeURIComponent(ref)}/manifest`, { etag, signal, anonymous: true });
    },
    signUrls: (sha256, { signal }) => signUrls(client, `${path}/urls`, { sha256, signal, anonymous: true }),
    openBundle: (sha256, { signal }) => client.open(`${path}/bundle`, { body: { sha256 }, signal, anonymous: true }),
    readKeys: (options) => readKeys(client, options),
  };
}

async function readKeys(client: Client, { signal }: { signal: AbortSignal }) {
  const answer = await client.request("GET", "/.well-known/sunduk.json", { signal, anonymous: true });
  return readAnswer(About, answer.json).manifestKeys;
}

type Reading = { etag: string; signal: AbortSignal; anonymous?: boolean };

async function readManifest(client: Client, path: string, { etag, ...options }: Reading) {
  const headers: Record<string, string> = etag === "" ? {} : { "if-none-match": etag };
  const answer = await client.request("GET", path, { headers, ...options });
  if (answer.status === 304) return undefined;
  const signature = answer.headers.get(signatureHeader);
  return { etag: answer.headers.get("etag") ?? "", body: answer.json, signed: { text: answer.text, signature } };
}

type Signing = { sha256: string[]; signal: AbortSignal; anonymous?: boolean };

async function signUrls(client: Client, path: string, { sha256, ...options }: Signing): Promise<Map<string, string>> {
  const answer = await client.request("POST", path, { body: { sha256 }, ...options });
  const signed: Static<typeof Signed> = readAnswer(Signed, answer.json);
  const absolute = Object.entries(signed.urls).map(([digest, url]) => {
    if (!URL.canParse(url, client.server)) throw new Fault("internal", `Read the server's answer: "${url}" is no URL`);
    return [digest, new URL(url, client.server).href] as const;
  });
  return new Map(absolute);
}
