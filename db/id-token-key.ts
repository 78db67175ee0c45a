import { type Db, many, run } from "./query.ts";

export type IdTokenKeyRow = {
  number: number;
  kid: string;
  publicKey: { kty: string; n: string; e: string; kid: string; alg: string; use: string };
  sealed: string;
  ageSeconds: number;
};

/** The keys of ID tokens, the newest first. */
export function listIdTokenKeys(db: Db): Promise<IdTokenKeyRow[]> {
  return many<IdTokenKeyRow>(db, {
    name: "id_token_key_list",
    text: `select number, kid, public_key as "publicKey", sealed, extract(epoch from now() - created_at)::integer as "ageSeconds"
      from account.id_token_key order by number desc`,
  });
}

/** 0 when somebody else made the key of this number. */
export function insertIdTokenKey(
  db: Db,
  { number, kid, publicKey, sealed }: Omit<IdTokenKeyRow, "ageSeconds">,
): Promise<number> {
  return run(db, {
    name: "id_token_key_insert",
    text: `insert into account.id_token_key (number, kid, public_key, sealed) values ($1, $2, $3, $4) on conflict do nothing`,
    values: [number, kid, JSON.stringify(publicKey), sealed],
  });
}

/** Forgets keys whose successor is so old that no token of theirs is worth anything. */
export function deleteOldIdTokenKeys(db: Db, { afterSeconds }: { afterSeconds: number }): Promise<number> {
  return run(db, {
    name: "id_token_key_delete_old",
    text: `delete from account.id_token_key where number < (
      select max(number) from account.id_token_key where created_at < now() - make_interval(secs => $1))`,
    values: [afterSeconds],
  });
}
