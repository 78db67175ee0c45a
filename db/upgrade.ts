import { hasCode } from "../fault.ts";
import { type Migration, readMigrations } from "./migrate.ts";
import { type Db, many, one } from "./query.ts";

/** Whether a migration may run beside the release before: it adds what that one does not miss, or takes away what it uses. */
export type MigrationKind = "expand" | "contract";

export type UpgradePlan = {
  pending: { name: string; kind: MigrationKind }[];
  /** Applied, and other than the file of this program. */
  edited: string[];
  /** Applied by a release that knows more than this one. */
  newer: string[];
  databaseBytes: number;
};

const header = /^-- (expand|contract)\b/;
/** What a running release may miss or be refused by. A constraint on a table of the same file binds nobody yet. */
const shrinking =
  /\b(drop\s+(table|column|schema|function|type)|rename\s+(to|column|constraint)|alter\s+column\s+\w+\s+(set\s+not\s+null|type)\b)/i;

/** What the first line of a migration says; where it says nothing, what its statements do. */
export function kindOf({ text }: Pick<Migration, "text">): MigrationKind {
  const said = header.exec(text)?.[1];
  if (said === "expand" || said === "contract") return said;
  return findShrinking(text) === undefined ? "expand" : "contract";
}

/** The first statement that takes something away, outside of comments and the bodies of functions. */
export function findShrinking(text: string): string | undefined {
  const bare = text.replace(/\$(\w*)\$[\s\S]*?\$\1\$/g, "''").replace(/--.*$/gm, "");
  return shrinking.exec(bare)?.[0];
}

/** Compares the migrations of this program with those of a database, without changing it. */
export async function planUpgrade(db: Db): Promise<UpgradePlan> {
  const [applied, migrations, size] = [
    new Map((await listApplied(db)).map(({ name, digest }) => [name, digest])),
    await readMigrations(),
    await one<{ bytes: number }>(db, {
      name: "upgrade_find_size",
      text: `select pg_database_size(current_database()) as bytes`,
    }),
  ];
  const known = new Set(migrations.map(({ name }) => name));
  return {
    pending: migrations
      .filter(({ name }) => !applied.has(name))
      .map((migration) => ({ name: migration.name, kind: kindOf(migration) })),
    edited: migrations
      .filter(({ name, digest }) => applied.has(name) && applied.get(name) !== digest)
      .map(({ name }) => name),
    newer: [...applied.keys()].filter((name) => !known.has(name)).sort(),
    databaseBytes: size?.bytes ?? 0,
  };
}

async function listApplied(db: Db): Promise<{ name: string; digest: string }[]> {
  try {
    return await many(db, { name: "upgrade_list_applied", text: `select name, digest from public.migration` });
  } catch (error) {
    if (hasCode(error, "42P01")) return []; // nothing was ever applied to it
    throw error;
  }
}
