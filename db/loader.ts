import type { LoaderKey } from "../loader-profile.ts";
import { type Db, many, one, run } from "./query.ts";

/** `isDue`: it is not known, and may be asked for again. */
export type LoaderRow = LoaderKey & {
  state: "wanted" | "known" | "missing";
  md5: string | null;
  isDue: boolean;
};

const keys = `jsonb_to_recordset($1::jsonb) as k (name text, version text, minecraft text)`;

const write = (asked: readonly LoaderKey[]) =>
  JSON.stringify(asked.map(({ name, version, minecraft }) => ({ name, version, minecraft })));

/** What is known of these loaders; those that nobody has asked for are left out. */
export function listLoaders(db: Db, asked: readonly LoaderKey[]): Promise<LoaderRow[]> {
  return many<LoaderRow>(db, {
    name: "loader_list",
    text: `select l.name, l.version, l.minecraft, l.state, l.md5, l.state <> 'known' and l.next_at <= now() as "isDue"
      from ${keys} join pack.loader l using (name, version, minecraft)`,
    values: [write(asked)],
  });
}

/** The bytes of a loader's profile as they came. */
export async function findProfile(db: Db, key: LoaderKey): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const row = await one<{ profile: Uint8Array<ArrayBuffer> }>(db, {
    name: "loader_find_profile",
    text: `select profile from pack.loader where name = $1 and version = $2 and minecraft = $3 and state = 'known'`,
    values: [key.name, key.version, key.minecraft],
  });
  return row?.profile;
}

/** Of these loaders, those that the caller is now to ask for: nobody else does for a minute. */
export function claimLoaders(tx: Db, asked: readonly LoaderKey[]): Promise<LoaderKey[]> {
  return many<LoaderKey>(tx, {
    name: "loader_claim",
    text: `insert into pack.loader as l (name, version, minecraft, next_at)
      select distinct k.name, k.version, k.minecraft, now() + interval '1 minute' from ${keys} order by 1, 2, 3
      on conflict (name, version, minecraft) do update set next_at = excluded.next_at where l.state <> 'known' and l.next_at <= now()
      returning l.name, l.version, l.minecraft`,
    values: [write(asked)],
  });
}

/** Keeps a profile: 0 when there is one already, which stays. */
export function settleLoader(
  db: Db,
  { name, version, minecraft, profile, md5 }: LoaderKey & { profile: Uint8Array; md5: string },
): Promise<number> {
  return run(db, {
    name: "loader_settle",
    text: `update pack.loader set state = 'known', profile = $4, md5 = $5, failures = 0
      where name = $1 and version = $2 and minecraft = $3 and state <> 'known'`,
    values: [name, version, minecraft, Buffer.from(profile), md5],
  });
}

/** There is no such loader: nobody asks again for a day. */
export function settleMissingLoader(db: Db, { name, version, minecraft }: LoaderKey): Promise<number> {
  return run(db, {
    name: "loader_settle_missing",
    text: `update pack.loader set state = 'missing', failures = 0, next_at = now() + interval '1 day'
      where name = $1 and version = $2 and minecraft = $3 and state <> 'known'`,
    values: [name, version, minecraft],
  });
}

/** Nothing could be learnt: asked again after half a minute, and four times as long with each failure, up to six hours. */
export function postponeLoader(db: Db, { name, version, minecraft }: LoaderKey): Promise<number> {
  return run(db, {
    name: "loader_postpone",
    text: `update pack.loader set failures = failures + 1, next_at = now() + make_interval(secs => least(21600, 30 * 4 ^ least(failures, 6)))
      where name = $1 and version = $2 and minecraft = $3 and state <> 'known'`,
    values: [name, version, minecraft],
  });
}
