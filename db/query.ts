import { hasCode } from "../fault.ts";

/** One statement: `name` is unique in the program and names its prepared form, `text` is static, values are parameters. */
export type Statement = { name: string; text: string; values?: unknown[] };

/** Whatever runs statements: the pool, or the client of a transaction. */
export type Db = {
  query: (statement: {
    name: string;
    text: string;
    values: unknown[];
  }) => Promise<{ rows: unknown[]; rowCount: number | null }>;
};

/** The rows of a statement. The row type is the caller's word: statements are checked against the schema in a test. */
export async function many<Row>(db: Db, { name, text, values = [] }: Statement): Promise<Row[]> {
  const { rows } = await db.query({ name, text, values });
  return rows as Row[];
}

/** The first row of a statement, or undefined. */
export async function one<Row>(db: Db, statement: Statement): Promise<Row | undefined> {
  const [row] = await many<Row>(db, statement);
  return row;
}

/** How many rows a statement touched. */
export async function run(db: Db, { name, text, values = [] }: Statement): Promise<number> {
  const { rowCount } = await db.query({ name, text, values });
  return rowCount ?? 0;
}

/** Whether the database answers at all: throws when it does not. */
export async function ping(db: Db): Promise<void> {
  await run(db, { name: "ping", text: `select 1` });
}

/** Whether the database refused a duplicate (SQLSTATE 23505), of that constraint when one is named. */
export function isDuplicate(error: unknown, constraint?: string): boolean {
  return (
    hasCode(error, "23505") &&
    (constraint === undefined || (error as { constraint?: string }).constraint === constraint)
  );
}
