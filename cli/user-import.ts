import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { type Static, Type as t } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { isKnownHash } from "../api/accounts/legacy-hashes.ts";
import { Login } from "../api/accounts/model.ts";
import { insertUser } from "../db/account.ts";
import { isDuplicate } from "../db/query.ts";
import { findTakenLogin } from "../db/user-import.ts";
import { Fault } from "../fault.ts";
import { openLog } from "../log.ts";
import { defineCommand } from "./arguments.ts";
import { withDatabase } from "./database.ts";
import { noteOperator } from "./ops/note.ts";
import { readSettings } from "./settings.ts";

const Person = t.Object({
  login: t.String(),
  email: t.Optional(t.Union([t.String(), t.Null()])),
  hash: t.String(),
});
type Person = Static<typeof Person>;
type Refused = { line: number; login?: string; reason: string };

/**
 * `sunduk user import`: accounts of another service, with the hashes of their passwords (bcrypt, PBKDF2 of Django, argon2),
 * which become today's when their owners sign in. Addresses come in as not proved. Nothing that is there is changed.
 */
export const command = defineCommand({
  name: "user import",
  usage: "user import FILE [--dry-run] [--data DIR]",
  summary: "Import accounts from CSV (login,email,hash) or JSON lines; never changes one that is there",
  options: { "dry-run": { type: "boolean" }, data: { type: "string" }, config: { type: "string" } },
  positionals: ["FILE"],
  async run({ values, positionals: [file], output, signal }) {
    const dryRun = values["dry-run"] ?? false;
    const config = readSettings(values);
    const log = openLog({ level: "warn", service: "import" });
    const refused: Refused[] = [];
    let imported = 0;
    await withDatabase({ config, log, signal }, async (db) => {
      const seen = new Set<string>();
      for await (const { line, person } of readPeople(file)) {
        signal.throwIfAborted();
        const problem = typeof person === "string" ? person : findProblem(person);
        if (typeof person === "string" || problem !== undefined) {
          refused.push({ line, reason: problem ?? "unreadable" });
          continue;
        }
        const login = person.login.toLowerCase();
        const email = person.email ? person.email.toLowerCase() : null;
        const user = { id: Bun.randomUUIDv7(), login, email, passwordHash: person.hash, roles: [] };
        const taken = seen.has(login) || (await findTakenLogin(db, login)) !== undefined;
        if (taken || (!dryRun && !(await insertUser(db, user).then(() => true, tellDuplicate))))
          refused.push({ line, login, reason: `the login "${login}" is taken` });
        else imported += 1;
        seen.add(login);
      }
      if (!dryRun) await noteOperator(db, { action: "users.imported", detail: { imported } });
    });
    output.say(output.text.usersImported({ imported, refused: refused.length, dryRun }));
    for (const { line, reason } of refused) output.say(output.text.userRefused(line, reason));
    output.result({ ok: true, imported, refused, dryRun });
  },
});

function tellDuplicate(error: unknown): false {
  if (isDuplicate(error)) return false;
  throw error;
}

function findProblem({ login, email, hash }: Person): string | undefined {
  if (!new RegExp(Login.pattern ?? "").test(login)) return `"${login.slice(0, 40)}" is no login`;
  if (email && !/^[^\s@]{1,64}@[^\s@]{1,189}$/.test(email)) return "the e-mail address is none";
  if (!isKnownHash(hash)) return "the hash is neither argon2, bcrypt nor PBKDF2 of Django, or costs too much";
  return undefined;
}

/** The people of a file, line by line; a text in place of one says why a line cannot be read. */
async function* readPeople(file: string): AsyncGenerator<{ line: number; person: Person | string }> {
  const stream = createReadStream(file, "utf8");
  const lines = createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY });
  let columns: string[] | undefined;
  let line = 0;
  try {
    for await (const raw of lines) {
      line += 1;
      const text = line === 1 ? raw.replace(/^\uFEFF/, "") : raw;
      if (text.trim() === "") continue;
      if (text.trimStart().startsWith("{")) {
        yield { line, person: toPerson(parseJson(text)) };
        continue;
      }
      const cells = splitCsv(text);
      if (columns === undefined) {
        columns = cells.map((cell) => cell.trim().toLowerCase());
        if (!["login", "hash"].every((name) => columns?.includes(name)))
          throw new Fault(
            "invalid",
            `Cannot import ${file}: its first line must name the columns login, email and hash`,
          );
        continue;
      }
      const names = columns;
      yield { line, person: toPerson(Object.fromEntries(names.map((name, index) => [name, cells[index] ?? ""]))) };
    }
  } catch (cause) {
    if (cause instanceof Fault) throw cause;
    throw new Fault("not-found", `Cannot import ${file}: it cannot be read`, { cause });
  } finally {
    stream.destroy();
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function toPerson(value: unknown): Person | string {
  return Value.Check(Person, value) ? value : "it has no login and hash";
}

/** The cells of a line of CSV (RFC 4180, 2; a quoted cell ends on its line). */
function splitCsv(text: string): string[] {
  return [...text.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)].map(
    ([, quoted, plain = ""]) => quoted?.replaceAll('""', '"') ?? plain,
  );
}
