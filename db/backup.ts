import { type Db, one, run } from "./query.ts";

export type MadeBackup = {
  name: string | null;
  place: string;
  beganAt: Date;
  endedAt: Date | null;
  sizeBytes: number;
  damaged: number;
  problem: string | null;
};

/** Writes down that a backup was begun; of older ones the last thousand are kept. */
export async function insertMade(db: Db, { id, place }: { id: string; place: string }): Promise<void> {
  await run(db, {
    name: "made_delete_old",
    text: `delete from backup.made where began_at < (select began_at from backup.made order by began_at desc offset 1000 limit 1)`,
  });
  await run(db, {
    name: "made_insert",
    text: `insert into backup.made (id, place) values ($1, $2)`,
    values: [id, place],
  });
}

type Settle = { id: string; name: string | null; sizeBytes: number; damaged: number; problem: string | null };

/** Writes down how a backup ended. */
export function settleMade(db: Db, { id, name, sizeBytes, damaged, problem }: Settle): Promise<number> {
  return run(db, {
    name: "made_settle",
    text: `update backup.made set ended_at = now(), name = $2, size_bytes = $3, damaged = $4, problem = $5 where id = $1`,
    values: [id, name, sizeBytes, damaged, problem],
  });
}

/** The backup of a place that was begun last, and when the last whole one was begun. */
export async function findLastMade(
  db: Db,
  place: string,
): Promise<{ last: MadeBackup | undefined; wholeAt: Date | undefined }> {
  const last = await one<MadeBackup>(db, {
    name: "made_find_last",
    text: `select name, place, began_at as "beganAt", ended_at as "endedAt", size_bytes as "sizeBytes", damaged, problem
      from backup.made where place = $1 order by began_at desc limit 1`,
    values: [place],
  });
  const whole = await one<{ beganAt: Date }>(db, {
    name: "made_find_last_whole",
    text: `select began_at as "beganAt" from backup.made where place = $1 and name is not null order by began_at desc limit 1`,
    values: [place],
  });
  return { last, wholeAt: whole?.beganAt };
}
