import { type Static, Type } from "@sinclair/typebox";
import { Fault } from "../../fault.ts";
import { type Client, readAnswer } from "../client.ts";

/** What an installer needs of a server. */
export type PackServer = {
  url: string;
  /** The newest version of a channel. */
  findLatest(slug: string, options: { channel?: string | undefined; signal: AbortSignal }): Promise<string>;
  /** A version's manifest; undefined when it is still the one of the ETag. */
  readManifest(
    slug: string,
    options: { version: string; etag: string | undefined; signal: AbortSignal },
  ): Promise<{ etag: string; body: unknown } | undefined>;
  /** Pre-signed addresses for at most 1,000 blobs; they need no token, and do not last. */
  signUrls(sha256s: string[], options: { signal: AbortSignal }): Promise<Map<string, string>>;
};

const Latest = Type.Object({ version: Type.String() });
const Signed = Type.Object({ urls: Type.Record(Type.String(), Type.String()) });

/** The server behind a client of the API. */
export function packServer(client: Client): PackServer {
  return {
    url: client.server,
    async findLatest(slug, { channel, signal }) {
      const answer = await client.request("GET", `/v1/packs/${encodeURIComponent(slug)}/latest`, {
        query: { channel },
        signal,
      });
      const latest: Static<typeof Latest> = readAnswer(Latest, answer.json);
      return latest.version;
    },
    async readManifest(slug, { version, etag, signal }) {
      const path = `/v1/packs/${encodeURIComponent(slug)}/versions/${encodeURIComponent(version)}/manifest`;
      const headers: Record<string, string> = etag === undefined ? {} : { "if-none-match": etag };
      const answer = await client.request("GET", path, { headers, signal });
      if (answer.status === 304) return undefined;
      return { etag: answer.headers.get("etag") ?? "", body: answer.json };
    },
    async signUrls(sha256s, { signal }) {
      const answer = await client.request("POST", "/v1/blobs/urls", {
        body: { sha256: sha256s },
        signal,
      });
      const signed: Static<typeof Signed> = readAnswer(Signed, answer.json);
      const absolute = Object.entries(signed.urls).map(([sha256, url]) => {
        if (!URL.canParse(url, client.server))
          throw new Fault("internal", `Read the server's answer: "${url}" is no URL`);
        return [sha256, new URL(url, client.server).href] as const;
      });
      return new Map(absolute);
    },
  };
}
