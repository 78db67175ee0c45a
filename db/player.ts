import { type Db, many, one, run } from "./query.ts";

/** What a player wears; a texture is the SHA-256 of a PNG that we have encoded. */
export type TextureKind = "skin" | "cape";
export type SkinModel = "default" | "slim";

export type PlayerRow = {
  id: string;
  userId: string;
  name: string;
  model: SkinModel;
  skin: string | null;
  cape: string | null;
  createdAt: Date;
};

// Players of accounts that are disabled or hidden are nobody's to see, and neither are textures that are blocked or broken here.
const shown = `player.player p join account."user" u on u.id = p.user_id and u.disabled_at is null and u.deleted_at is null
    left join blob.blob s on s.id = p.skin_blob_id and s.broken is null and not exists (select from blob.blocked x where x.sha256 = s.sha256)
    left join blob.blob c on c.id = p.cape_blob_id and c.broken is null and not exists (select from blob.blocked x where x.sha256 = c.sha256)`;
const columns = `p.id, p.user_id as "userId", p.name, p.model, s.sha256 as skin, c.sha256 as cape, p.created_at as "createdAt"`;

/** Somebody's players, the oldest first. */
export function listPlayers(db: Db, userId: string): Promise<PlayerRow[]> {
  return many<PlayerRow>(db, {
    name: "player_list",
    text: `select ${columns} from ${shown} where p.user_id = $1 order by p.created_at, p.id limit 1000`,
    values: [userId],
  });
}

/** Players of these ids, in no order; unknown ones are left out. */
export function findPlayersById(db: Db, ids: string[]): Promise<PlayerRow[]> {
  return many<PlayerRow>(db, {
    name: "player_find_by_ids",
    text: `select ${columns} from ${shown} where p.id = any ($1::uuid[])`,
    values: [ids],
  });
}

/** Players of these names, in any case and in no order; unknown ones are left out. */
export function findPlayersByName(db: Db, names: string[]): Promise<PlayerRow[]> {
  return many<PlayerRow>(db, {
    name: "player_find_by_names",
    text: `select ${columns} from ${shown} where p.name_folded = any ($1::text[])`,
    values: [names.map((name) => name.toLowerCase())],
  });
}

type NewPlayer = { id: string; userId: string; name: string };

/** 0 when the name or the id is taken. */
export function insertPlayer(tx: Db, { id, userId, name }: NewPlayer): Promise<number> {
  return run(tx, {
    name: "player_insert",
    text: `insert into player.player (id, user_id, name, name_folded) values ($1, $2, $3, $4) on conflict do nothing`,
    values: [id, userId, name, name.toLowerCase()],
  });
}

/** How many players somebody has. */
export async function countPlayers(tx: Db, userId: string): Promise<number> {
  const row = await one<{ count: number }>(tx, {
    name: "player_count",
    text: `select count(*) as count from player.player where user_id = $1`,
    values: [userId],
  });
  return row?.count ?? 0;
}

/** Throws a duplicate error when the name is taken. */
export function updatePlayer(
  tx: Db,
  { id, name, model }: { id: string; name?: string | undefined; model?: SkinModel | undefined },
): Promise<number> {
  return run(tx, {
    name: "player_update",
    text: `update player.player set name = coalesce($2, name), name_folded = coalesce($3, name_folded), model = coalesce($4, model) where id = $1`,
    values: [id, name ?? null, name?.toLowerCase() ?? null, model ?? null],
  });
}

export function deletePlayer(tx: Db, id: string): Promise<number> {
  return run(tx, { name: "player_delete", text: `delete from player.player where id = $1`, values: [id] });
}

/** Holds a player of somebody's until the transaction ends. */
export function lockPlayer(
  tx: Db,
  { id, userId }: { id: string; userId: string },
): Promise<{ id: string; name: string } | undefined> {
  return one(tx, {
    name: "player_lock",
    text: `select id, name from player.player where id = $1 and user_id = $2 for update`,
    values: [id, userId],
  });
}

/** Keeps a name for who had it, so many days; of one person's names the newest `most` are kept. */
export async function keepFormerName(
  tx: Db,
  { name, userId, days, most }: { name: string; userId: string; days: number; most: number },
): Promise<void> {
  await run(tx, {
    name: "former_name_insert",
    text: `insert into player.former_name (name_folded, user_id, free_at) values ($1, $2, now() + make_interval(days => $3))
      on conflict (name_folded) do update set user_id = excluded.user_id, free_at = excluded.free_at`,
    values: [name.toLowerCase(), userId, days],
  });
  await run(tx, {
    name: "former_name_delete_more",
    text: `delete from player.former_name where name_folded in (
      select name_folded from player.former_name where user_id = $1 order by free_at desc, name_folded offset $2)`,
    values: [userId, most],
  });
}

/** When a name that somebody else had becomes free; undefined when it is. To be asked when the name is taken already. */
export function findFormerName(
  tx: Db,
  { name, userId }: { name: string; userId: string },
): Promise<{ freeAt: Date } | undefined> {
  return one<{ freeAt: Date }>(tx, {
    name: "former_name_find",
    text: `select free_at as "freeAt" from player.former_name where name_folded = $1 and user_id <> $2 and free_at > now()`,
    values: [name.toLowerCase(), userId],
  });
}

/** A name has an owner again. */
export function deleteFormerName(tx: Db, name: string): Promise<number> {
  return run(tx, {
    name: "former_name_delete",
    text: `delete from player.former_name where name_folded = $1`,
    values: [name.toLowerCase()],
  });
}

/** Forgets who had the names that are free. */
export function deleteFreeNames(db: Db): Promise<number> {
  return run(db, {
    name: "former_name_delete_free",
    text: `delete from player.former_name where free_at < now()`,
  });
}

/** Deletes somebody's players, and that he ever had names. Their textures are left to the sweep. */
export async function erasePlayers(tx: Db, userId: string): Promise<number> {
  await run(tx, {
    name: "erase_former_names",
    text: `delete from player.former_name where user_id = $1`,
    values: [userId],
  });
  return run(tx, { name: "erase_players", text: `delete from player.player where user_id = $1`, values: [userId] });
}
