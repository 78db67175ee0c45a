import { Value } from "@sinclair/typebox/value";
import { Login, Password } from "../api/accounts/model.ts";
import { openPasswords } from "../api/accounts/passwords.ts";
import { refuseWeakPassword } from "../api/accounts/weak-passwords.ts";
import { findUserByName, insertUser, updateUser } from "../db/account.ts";
import { isDuplicate } from "../db/query.ts";
import { Fault } from "../fault.ts";
import { makeSecret } from "../keys.ts";
import { openLog } from "../log.ts";
import { defineCommand, usageFault } from "./arguments.ts";
import { withDatabase } from "./database.ts";
import { askPassword, passwordFromStdin } from "./login.ts";
import { noteOperator } from "./ops/note.ts";
import type { Output } from "./output.ts";
import { readSettings } from "./settings.ts";

const usage = "admin create --login L [--password-stdin] [--data DIR]";

/** `sunduk admin create`: whoever can read the server's data folder can make its first admin. */
export const command = defineCommand({
  name: "admin create",
  usage,
  summary: "Make an account with the role admin, or give the role to one",
  options: {
    login: { type: "string" },
    "password-stdin": { type: "boolean" },
    data: { type: "string" },
    config: { type: "string" },
  },
  positionals: [],
  async run({ values, output, signal }) {
    const login = values.login?.toLowerCase();
    if (!login) throw usageFault("Make an admin: --login is missing", usage);
    if (!Value.Check(Login, login)) {
      throw usageFault(`Make an admin: "${login}" is no login; ${Login.description}`, usage);
    }
    const given = values["password-stdin"] ? await checkPassword(await passwordFromStdin(usage), login) : undefined;
    const config = readSettings(values);
    const log = openLog({ level: "warn", service: "admin" });
    const made = await withDatabase({ config, log, signal }, async (db) => {
      const passwords = openPasswords();
      const known = await findUserByName(db, login);
      if (!known) {
        const { password, generated } = await choosePassword(given, { login, output, signal });
        const user = { id: Bun.randomUUIDv7(), login, email: null, roles: ["admin"] };
        const passwordHash = await passwords.hash(password);
        await db.transaction(async (tx) => {
          await insertUser(tx, { ...user, passwordHash }).catch(tellTaken);
          await noteOperator(tx, { action: "admin.created", subject: user.id });
        });
        return { created: true, passwordChanged: true, ...(generated && { password }) };
      }
      const passwordHash = given === undefined ? null : await passwords.hash(given);
      await db.transaction(async (tx) => {
        await updateUser(tx, { login, role: "admin", passwordHash });
        const detail = { passwordChanged: given !== undefined };
        await noteOperator(tx, { action: "admin.created", subject: known.id, detail });
      });
      return { created: false, passwordChanged: given !== undefined };
    });
    const { text } = output;
    output.say(made.created ? text.adminMade(login) : text.adminPromoted(login));
    if (!made.created) output.say(made.passwordChanged ? text.passwordChanged : text.passwordKept);
    if ("password" in made && !output.json) output.say(text.passwordMade(made.password));
    output.result({ ok: true, login, ...made });
  },
});

async function checkPassword(password: string, login: string): Promise<string> {
  const { minLength, maxLength } = Password;
  if (!Value.Check(Password, password))
    throw new Fault("invalid", `Choose a password: it must have ${minLength} to ${maxLength} characters`);
  await refuseWeakPassword(password, { login });
  return password;
}

type Choosing = { login: string; output: Output; signal: AbortSignal };

/** The one given, else the one typed twice; where nobody can type, a random one. */
async function choosePassword(
  given: string | undefined,
  { login, output, signal }: Choosing,
): Promise<{ password: string; generated: boolean }> {
  if (given !== undefined) return { password: given, generated: false };
  if (!process.stdin.isTTY) return { password: makeSecret(), generated: true };
  const password = await checkPassword(await askPassword(login, { output, signal }), login);
  const again = await askPassword(login, { output, signal, again: true });
  if (again !== password) throw new Fault("invalid", "Choose a password: the two are not the same; run it again");
  return { password, generated: false };
}

function tellTaken(error: unknown): never {
  if (isDuplicate(error))
    throw new Fault("conflict", "Make an admin: somebody made this account just now; run it again");
  throw error;
}
