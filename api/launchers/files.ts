import { findGoneFile, findReleaseFile } from "../../db/release-file.ts";
import { Fault } from "../../fault.ts";
import { isStoredHere, type ManifestFile } from "../../formats/manifest.ts";
import type { Api } from "../api.ts";
import { signBlob } from "../blobs/service.ts";
import { toReader } from "../caller.ts";
import type { Asker } from "./releases.ts";

type Parts = Pick<Api, "db" | "storage">;
export type Method = "GET" | "HEAD";
type Asked = Asker & { slug: string; sha256: string; method: Method };

/**
 * Signed address of bytes that a published version of a pack has: for who may see the pack, and by share link of its pack and
 * channel. Throws `not-found`, and `gone` for what was withdrawn or blocked.
 */
export async function signReleaseFile({ db, storage }: Parts, asked: Asked): Promise<string> {
  const { caller, link, slug, sha256, method } = asked;
  const wanted = { slug, reader: toReader(caller), link, sha256 };
  const found = await findReleaseFile(db, wanted);
  if (found?.blocked) throw new Fault("gone", `The file is blocked on this server: ${found.blocked}`);
  if (found) return signBlob({ storage, blob: found, method });
  const gone = await findGoneFile(db, wanted);
  if (gone) throw new Fault("gone", `The version with this file was withdrawn: ${gone.reason}`);
  throw new Fault("not-found", `There is no such file of "${slug}"`);
}

/** Where the bytes of a file are: signed when they are kept here, else the reference's own address. */
export async function locateFile(
  parts: Parts,
  { file, ...asked }: Omit<Asked, "sha256"> & { file: ManifestFile },
): Promise<string> {
  return isStoredHere(file)
    ? signReleaseFile(parts, { ...asked, sha256: file.digests.sha256 })
    : new URL(file.url).href;
}
