import { findShownTexture } from "../../db/texture.ts";
import type { Deps } from "../../deps.ts";

export type KnownTextures = {
  /** A texture that somebody wears, remembered or looked up; undefined when nobody does. */
  find: (sha256: string) => Promise<Blob | undefined>;
};

type Settings = Pick<Deps, "db" | "storage"> & { keepMs?: number; maxBytes?: number };

const readMs = 5_000;

/**
 * Remembers textures for at most `keepMs` from when the database was asked, so that a full server is not one query and one
 * read for each player that sees each other; what was taken off or blocked is gone after that. Who wait for the same one
 * wait together. The oldest go at `maxBytes` in all.
 */
export function openKnownTextures({
  db,
  storage,
  keepMs = 60_000,
  maxBytes = 32 * 1024 ** 2,
}: Settings): KnownTextures {
  const kept = new Map<string, { body: Blob; until: number }>();
  const asking = new Map<string, Promise<Blob | undefined>>();
  let keptBytes = 0;
  const drop = (sha256: string) => {
    keptBytes -= kept.get(sha256)?.body.size ?? 0;
    kept.delete(sha256);
  };
  const keep = (sha256: string, entry: { body: Blob; until: number }) => {
    drop(sha256);
    kept.set(sha256, entry);
    keptBytes += entry.body.size;
    // A Map keeps the order in which its keys came.
    for (const oldest of kept.keys()) {
      if (keptBytes <= maxBytes) break;
      drop(oldest);
    }
  };
  const look = async (sha256: string): Promise<Blob | undefined> => {
    const until = performance.now() + keepMs;
    const found = await findShownTexture(db, sha256);
    if (!found) return undefined;
    const chunks = await storage.read(found.key, { signal: AbortSignal.timeout(readMs) });
    const body = new Blob([Buffer.concat(await Array.fromAsync(chunks))], { type: "image/png" });
    keep(sha256, { body, until });
    return body;
  };
  return {
    find: async (sha256) => {
      const known = kept.get(sha256);
      if (known && known.until > performance.now()) return known.body;
      const running = asking.get(sha256) ?? look(sha256).finally(() => asking.delete(sha256));
      asking.set(sha256, running);
      return running;
    },
  };
}
