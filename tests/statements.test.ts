import { afterAll, beforeAll, expect, test } from "bun:test";
import pg from "pg";
import { createTestDatabase } from "./harness.ts";
import { lineOf, readSources } from "./source-files.ts";

type Found = { place: string; name: string; text: string };

/** Every named statement of db/, with the constants of its file filled in. */
function readStatements(): Found[] {
  return readSources()
    .filter(({ path }) => path.startsWith("db/"))
    .flatMap(({ path, text }) => {
      const constants = new Map(
        [...text.matchAll(/^const (\w+) =\s*`([^`]*)`/gm)].map((match) => [match[1] ?? "", match[2] ?? ""]),
      );
      const fill = (sql: string): string =>
        sql.replace(/\$\{(\w+)\}/g, (all, name: string) => {
          const value = constants.get(name);
          return value === undefined ? all : fill(value);
        });
      return [...text.matchAll(/\bname: "(\w+)",\s*text: (?:`([^`]*)`|"([^"]*)")/g)].map((match) => ({
        place: `${path}:${lineOf(text, match.index)}`,
        name: match[1] ?? "",
        text: fill(match[2] ?? match[3] ?? ""),
      }));
    });
}

const statements = readStatements();
let client: pg.Client;

beforeAll(async () => {
  client = new pg.Client({ connectionString: await createTestDatabase() });
  await client.connect();
});
afterAll(() => client?.end());

test("every statement of db/ is found: each text has a name, and nothing is put together at run time", () => {
  expect(statements.length).toBeGreaterThan(60);
  const texts = readSources()
    .filter(({ path }) => path.startsWith("db/"))
    .flatMap(({ code, path }) =>
      [...code.matchAll(/\btext:(?! string)/g)].map(({ index }) => `${path}:${lineOf(code, index)}`),
    );
  expect(texts.length).toBe(statements.length);
  expect(statements.filter(({ text }) => text.includes("${")).map(({ place }) => place)).toEqual([]);
});

test("names are unique and say what they are about", () => {
  const names = statements.map(({ name }) => name);
  expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([]);
  expect(names.filter((name) => !/^[a-z0-9]+(_[a-z0-9]+)*$/.test(name) || name.length > 63)).toEqual([]);
});

test("every statement fits the real schema", async () => {
  const wrong: string[] = [];
  for (const { place, name, text } of statements) {
    try {
      await client.query(`prepare ${name} as ${text}`);
    } catch (error) {
      wrong.push(`${place} ${name}: ${error instanceof Error ? error.message : error}`);
    }
  }
  expect(wrong).toEqual([]);
});

/** Statements that read a whole table on purpose, with the reason. */
const wholeTables: Record<string, string> = {
  storage_sum: "a sum over all blobs, for operators",
  integrity_sum: "a sum over all blobs, once a run and for operators",
  user_has_admin: "once at the start, ends at the first admin",
  sweep_count_leftovers: "a dry run's totals, for operators",
  job_count: "numbers of unsettled and failed jobs, for operators",
};

test("a filter on a table that grows has its index", async () => {
  const growing =
    /Seq Scan on (user|session|job|blob|attempt|doomed|upload|pack|version|version_file|archive|file|idempotency|device_grant|image|variant|album|share|archive_image|reader_user|reader_role|event|occurrence|registration|registration_change|notification|delivery)\b/;
  await client.query("set enable_seqscan = off; set plan_cache_mode = force_generic_plan");
  const slow: string[] = [];
  for (const { place, name, text } of statements) {
    if (name in wholeTables || !/^\s*(select|insert|update|delete|with)\b/i.test(text)) continue;
    const { rows } = await client.query<{ "QUERY PLAN": string }>(`explain (generic_plan) ${text}`);
    const scan = rows.map((row) => growing.exec(row["QUERY PLAN"])?.[0]).find(Boolean);
    if (scan) slow.push(`${place} ${name}: ${scan}`);
  }
  expect(slow).toEqual([]);
});

test("exceptions name statements that there are", () => {
  const names = statements.map(({ name }) => name);
  expect(Object.keys(wholeTables).filter((name) => !names.includes(name))).toEqual([]);
});
