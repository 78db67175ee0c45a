import { findGoneFile, findReleaseFile } from "../../db/release-file.ts";
import { Fault } from "../../fault.ts";
import { isStoredHere, type ManifestFile } from "../../formats/manifest.ts";
import type { Api } from "../api.ts";
import type { Location } from "../blobs/known-blobs.ts";
import { toReader } from "../caller.ts";
import type { Asker } from "./releases.ts";

type Asked = Asker & { slug: string; sha256: string };

/**
 * Where bytes are that a published version of a pack has: for who may see the pack, and by share link of its pack and channel.
 * Throws `not-found`, `gone` for what was withdrawn or blocked, and `unavailable` for what is missing or changed in the storage.
 */
export async function locateReleaseFile(
  { db }: Pick<Api, "db">,
  { caller, link, slug, sha256 }: Asked,
): Promise<Location> {
  const wanted = { slug, reader: toReader(caller), link, sha256 };
  const found = await findReleaseFile(db, wanted);
  if (found?.blocked) throw new Fault("gone", `The file is blocked on this server: ${found.blocked}`);
  // It may be put back or sent again at any time, but not within seconds.
  if (found?.broken)
    throw new Fault("unavailable", "The file is damaged on this server: who works on the pack was told", {
      retryAfterSeconds: 3_600,
    });
  if (found) return { key: found.key, access: found.access };
  const gone = await findGoneFile(db, wanted);
  if (gone) throw new Fault("gone", `The version with this file was withdrawn: ${gone.reason}`);
  throw new Fault("not-found", `There is no such file of "${slug}"`);
}

/** Where the bytes of a file are: here, or at the reference's own address. */
export async function locateFile(
  parts: Pick<Api, "db">,
  { file, ...asked }: Omit<Asked, "sha256"> & { file: ManifestFile },
): Promise<Location> {
  return isStoredHere(file)
    ? locateReleaseFile(parts, { ...asked, sha256: file.digests.sha256 })
    : { url: new URL(file.url).href };
}
