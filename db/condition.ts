import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { hasCode } from "../fault.ts";
import { type Db, many, one } from "./query.ts";

export type ServerCondition = { version: string; number: number; clockMs: number; inRecovery: boolean };

/** Which PostgreSQL answers, and what its clock says (milliseconds since the epoch). */
export async function describeServer(db: Db): Promise<ServerCondition | undefined> {
  return one<ServerCondition>(db, {
    name: "condition_describe_server",
    text: `select current_setting('server_version') as version, current_setting('server_version_num')::int as number,
      (extract(epoch from clock_timestamp()) * 1000)::float8 as "clockMs", pg_is_in_recovery() as "inRecovery"`,
  });
}

/** How far the tables are behind our migrations: names still to be applied, and names that were edited after they were. */
export async function compareMigrations(db: Db): Promise<{ pending: string[]; edited: string[] }> {
  const folder = join(import.meta.dir, "migrations");
  const applied = new Map((await listApplied(db)).map(({ name, digest }) => [name, digest]));
  const pending: string[] = [];
  const edited: string[] = [];
  for (const name of (await readdir(folder)).filter((file) => file.endsWith(".sql")).sort()) {
    const digest = new Bun.CryptoHasher("sha256").update(await readFile(join(folder, name))).digest("hex");
    if (!applied.has(name)) pending.push(name);
    else if (applied.get(name) !== digest) edited.push(name);
  }
  return { pending, edited };
}

async function listApplied(db: Db): Promise<{ name: string; digest: string }[]> {
  try {
    return await many(db, { name: "condition_list_migrations", text: "select name, digest from public.migration" });
  } catch (error) {
    if (hasCode(error, "42P01")) return []; // a database that nothing was ever applied to
    throw error;
  }
}
