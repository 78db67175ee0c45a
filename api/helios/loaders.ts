import { claimLoaders, findProfile, type LoaderRow, listLoaders } from "../../db/loader.ts";
import type { Deps } from "../../deps.ts";
import type { KnownLoader } from "../../formats/helios-loader.ts";
import { findMeta, type LoaderKey, readProfile } from "../../loader-profile.ts";
import { fetchLoader } from "../../queues/fetch-loader.ts";
import { wantAll } from "../../queues/mailbox.ts";

type Needs = Pick<Deps, "db" | "config" | "mailbox">;

export type KnownLoaders = {
  /** Changes when more becomes known of it. */
  tagOf: (key: LoaderKey | undefined) => string;
  /** For the renderer; undefined as long as its makers have not told. */
  read: (key: LoaderKey | undefined) => Promise<KnownLoader | undefined>;
};

/** Where a loader's profile is given to launchers. */
const profilePath = ({ name, minecraft, version }: LoaderKey) => `/helios/loaders/${name}/${minecraft}/${version}.json`;

/** What is known of these loaders. Those that are not known, and that nobody has asked for lately, are asked for. */
export async function findLoaders(
  { publicUrl, ...deps }: Needs & Pick<Deps, "publicUrl">,
  keys: readonly LoaderKey[],
): Promise<KnownLoaders> {
  const rows = keys.length === 0 ? [] : await listLoaders(deps.db, keys);
  const found = new Map(rows.map((row) => [nameOf(row), row]));
  await askFor(
    deps,
    keys.filter((key) => (found.get(nameOf(key))?.isDue ?? true) && findMeta(deps.config, key.name) !== undefined),
  );
  const rowOf = (key: LoaderKey | undefined): LoaderRow | undefined => key && found.get(nameOf(key));
  return {
    tagOf: (key) => rowOf(key)?.md5 ?? rowOf(key)?.state ?? "",
    read: async (key) => {
      const row = rowOf(key);
      if (row?.state === "missing") return "missing";
      const bytes = key && row?.state === "known" ? await findProfile(deps.db, key) : undefined;
      if (!key || !bytes || !row) return undefined;
      const artifact = { size: bytes.byteLength, MD5: row.md5 ?? "", url: `${publicUrl()}${profilePath(key)}` };
      return { profile: readProfile(bytes, key), artifact };
    },
  };
}

async function askFor({ db, mailbox }: Needs, keys: LoaderKey[]): Promise<void> {
  if (keys.length === 0) return;
  const messages = await db.transaction(async (tx) =>
    wantAll(tx, fetchLoader, { payloads: await claimLoaders(tx, keys) }),
  );
  await Promise.all(messages.map((message) => mailbox.send(fetchLoader.name, message)));
}

const nameOf = ({ name, version, minecraft }: LoaderKey) => `${name} ${version} ${minecraft}`;
