import { Fault } from "../../fault.ts";
import { readPackwizAt } from "../source/packwiz.ts";
import { fetchElsewhere, readBytes, toManifest } from "./elsewhere.ts";
import type { Origin } from "./origin.ts";

const limitMs = 30_000;
const maxBytes = 16 * 1024 ** 2;

/** A packwiz pack of any host, by the address of its pack.toml (packwiz pack format 1.1). */
export function packwizPack(address: string): Origin {
  const { host, origin } = new URL(address);
  const where = `the pack at ${host}`;
  const get = (url: string, { what, signal }: { what: string; signal: AbortSignal }) =>
    fetchElsewhere(url, { what, limitMs, signal, read: (response) => readBytes(response, { what, maxBytes }) });
  // As packwiz-installer does it: beneath pack.toml, without its query.
  const addressOf = (path: string) => {
    const url = new URL(path.split("/").map(encodeURIComponent).join("/"), address);
    return `${url.origin}${url.pathname}`;
  };
  return {
    url: origin,
    slug: undefined,
    source: { kind: "packwiz", address },
    async readRelease({ known, signal }) {
      const packText = await (await get(address, { what: "pack.toml", signal })).text();
      const etag = new Bun.CryptoHasher("sha256").update(packText).digest("hex");
      // It holds the digest of the index, which holds those of all else.
      if (known?.etag === etag) return undefined;
      const place = {
        where,
        read: (path: string) => get(addressOf(path), { what: path, signal }),
        locate: async (path: string, digests = {}) => ({ reference: { url: addressOf(path), digests } }),
        mayLackHashes: false,
      };
      const source = await readPackwizAt(place, { packText, signal });
      const version = source.version ?? etag.slice(0, 8);
      return { etag, body: toManifest(source, { version, sha256s: new Map() }) };
    },
    signUrls: async () => {
      throw new Fault("internal", "Cannot install: a packwiz pack keeps no bytes by digest");
    },
  };
}
