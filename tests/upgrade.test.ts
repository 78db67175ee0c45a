import { expect, test } from "bun:test";
import { readMigrations } from "../db/migrate.ts";
import { findShrinking, kindOf } from "../db/upgrade.ts";

const released = ["0001_start.sql", "0002_accounts.sql"]; // before kinds were written down; never edited

test("each migration says in its first line whether it may run beside the release before, and is true to it", async () => {
  const wrong: string[] = [];
  for (const { name, text } of await readMigrations()) {
    if (released.includes(name)) continue;
    if (!/^-- (expand|contract)\n/.test(text)) wrong.push(`${name} says neither "-- expand" nor "-- contract"`);
    const found = findShrinking(text);
    if (kindOf({ text }) === "expand" && found !== undefined) wrong.push(`${name} says expand, but has: ${found}`);
  }
  expect(wrong).toEqual([]);
});

const shrinks = [
  "drop table pack.pack;",
  "alter table pack.pack drop column name;",
  "alter table pack.pack rename to packs;",
  "alter table pack.pack rename column name to title;",
  "alter table pack.pack\n  alter column summary set not null;",
  "alter table pack.pack alter column revision type bigint;",
  "DROP FUNCTION pack.role_of(uuid);",
];
const grows = [
  "create table pack.new (id uuid not null);",
  "alter table pack.pack add column extra text;",
  "alter table pack.pack alter column summary drop not null;",
  "-- drop table pack.pack\ncreate index x on pack.pack (slug);",
  "create function pack.x() returns void language plpgsql as $$ begin drop table t; end $$;",
  "alter table account.session drop constraint session_kind_check, add constraint session_kind_check check (true);",
];

test("a migration that says nothing is known by what it does", () => {
  for (const text of shrinks) expect([text, kindOf({ text })]).toEqual([text, "contract"]);
  for (const text of grows) expect([text, kindOf({ text })]).toEqual([text, "expand"]);
  expect(kindOf({ text: `-- contract\n${grows[0]}` })).toBe("contract");
});
