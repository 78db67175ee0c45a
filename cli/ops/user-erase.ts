import { endAllIn, isLastAdmin } from "../../api/me/deletion.ts";
import { hideUser } from "../../db/hidden-user.ts";
import { findOtherAdmin, lockAdministration } from "../../db/managed-user.ts";
import { insertFact } from "../../db/outbox.ts";
import type { Postgres } from "../../db/postgres.ts";
import { endHiding, findKeptUser } from "../../db/user-export.ts";
import { Fault } from "../../fault.ts";
import { openLog } from "../../log.ts";
import { defineCommand, usageFault } from "../arguments.ts";
import { withDatabase } from "../database.ts";
import { readSettings } from "../settings.ts";
import { opsMessages } from "./messages.ts";
import { noteOperator } from "./note.ts";

const usage = "user erase LOGIN --yes [--data DIR]";

/** `sunduk user erase`: what `DELETE /v1/me` does, for somebody who asks the operator, and with no time to come back. */
export const command = defineCommand({
  name: "user erase",
  usage,
  summary: "Erase an account with all that is its own, for good",
  options: { yes: { type: "boolean" }, data: { type: "string" }, config: { type: "string" } },
  positionals: ["LOGIN"],
  async run({ values, positionals: [name], output, signal }) {
    const login = name.toLowerCase();
    const text = opsMessages(output.language);
    if (!values.yes) throw usageFault(text.confirmErase(login, `user erase ${login} --yes`), usage);
    const config = readSettings(values);
    const log = openLog({ level: "warn", service: "erase" });
    // Who remembers something of the account asks again within half a minute; until then the worker has told him.
    const id = await withDatabase({ config, log, signal }, (db) => erase(db, login));
    output.say(text.erasing(login));
    output.result({ ok: true, login, id });
  },
});

/** Hides the account, or shortens the time of one that is hidden: `relay-facts` takes it next. */
function erase(db: Postgres, login: string): Promise<string> {
  return db.transaction(async (tx) => {
    await lockAdministration(tx); // before any row
    const user = await findKeptUser(tx, login);
    if (!user) throw new Fault("not-found", `Erase an account: there is no "${login}"`);
    if (user.roles.includes("admin") && !user.hidden && !(await findOtherAdmin(tx, user.id)))
      throw isLastAdmin(`erase "${login}"`);
    await noteOperator(tx, { action: "user.erased", subject: user.id });
    if (user.hidden) {
      await endHiding(tx, user.id);
      return user.id;
    }
    const hidden = await hideUser(tx, { id: user.id, eraseAfterDays: 0 });
    if (!hidden) throw new Fault("conflict", `Erase an account: "${login}" was deleted at this moment; run it again`);
    await endAllIn(tx, { userId: user.id, reason: "account erased by an operator", ver: hidden.ver });
    await insertFact(tx, { kind: "user.hidden", payload: { userId: user.id } });
    return user.id;
  });
}
