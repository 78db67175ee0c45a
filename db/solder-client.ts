import { type Db, many, one, run } from "./query.ts";

export type SolderClientRow = { id: string; name: string; createdAt: Date };

/** Clients that may read a pack, by their ids. `after` is the id that the page before ended with. */
export function listSolderClients(
  db: Db,
  { packId, after, limit }: { packId: string; after: string | null; limit: number },
): Promise<SolderClientRow[]> {
  return many<SolderClientRow>(db, {
    name: "solder_client_list",
    text: `select client_id as id, name, created_at as "createdAt" from pack.solder_client
      where pack_id = $1 and ($2::uuid is null or client_id > $2) order by client_id limit $3`,
    values: [packId, after, limit],
  });
}

type Client = { packId: string; id: string };

export function findSolderClient(db: Db, { packId, id }: Client): Promise<SolderClientRow | undefined> {
  return one<SolderClientRow>(db, {
    name: "solder_client_find",
    text: `select client_id as id, name, created_at as "createdAt" from pack.solder_client where pack_id = $1 and client_id = $2`,
    values: [packId, id],
  });
}

/** Lets a client read a pack, or names it anew. 0 when the pack has too many. The caller has locked the pack. */
export function upsertSolderClient(
  tx: Db,
  { packId, id, name, most }: Client & { name: string; most: number },
): Promise<number> {
  return run(tx, {
    name: "solder_client_upsert",
    text: `insert into pack.solder_client (pack_id, client_id, name) select $1, $2, $3
      where (select count(*) from pack.solder_client where pack_id = $1 and client_id <> $2) < $4
      on conflict (pack_id, client_id) do update set name = excluded.name`,
    values: [packId, id, name, most],
  });
}

export function deleteSolderClient(db: Db, { packId, id }: Client): Promise<number> {
  return run(db, {
    name: "solder_client_delete",
    text: `delete from pack.solder_client where pack_id = $1 and client_id = $2`,
    values: [packId, id],
  });
}

/** Packs that a client was let into, one of them when a slug is given. */
export function listClientPacks(
  db: Db,
  { id, slug, limit }: { id: string; slug: string | null; limit: number },
): Promise<{ packId: string; slug: string }[]> {
  return many(db, {
    name: "solder_client_list_packs",
    text: `select p.id as "packId", p.slug from pack.solder_client c join pack.pack p on p.id = c.pack_id
      where c.client_id = $1 and p.deleted_at is null and ($2::text is null or p.slug = $2)
        and (p.organization_id is not null or not exists (select from account."user" u where u.id = p.owner_id and u.deleted_at is not null))
      order by p.slug limit $3`,
    values: [id, slug, limit],
  });
}
