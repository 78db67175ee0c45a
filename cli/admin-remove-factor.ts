import { findUserByName } from "../db/account.ts";
import { insertActivity } from "../db/activity.ts";
import { lockUser } from "../db/identity.ts";
import { deleteSecondFactor } from "../db/second-factor.ts";
import { Fault } from "../fault.ts";
import { openLog } from "../log.ts";
import { defineCommand, usageFault } from "./arguments.ts";
import { withDatabase } from "./database.ts";
import { noteOperator } from "./ops/note.ts";
import { readSettings } from "./settings.ts";

const usage = "admin remove-factor --login L [--data DIR]";

/** `sunduk admin remove-factor`: lets in somebody who has lost both his authenticator app and his recovery codes. */
export const command = defineCommand({
  name: "admin remove-factor",
  usage,
  summary: "Remove the second factor of somebody who has lost his app and his recovery codes",
  options: { login: { type: "string" }, data: { type: "string" }, config: { type: "string" } },
  positionals: [],
  async run({ values, output, signal }) {
    const name = values.login?.toLowerCase();
    if (!name) throw usageFault("Remove a second factor: --login is missing", usage);
    const config = readSettings(values);
    const log = openLog({ level: "warn", service: "admin" });
    const login = await withDatabase({ config, log, signal }, (db) =>
      db.transaction(async (tx) => {
        const user = await findUserByName(tx, name);
        if (!user) throw new Fault("not-found", `Remove a second factor: there is no account "${name}"`);
        await lockUser(tx, user.id);
        if (!user.secondFactor) throw new Fault("conflict", `Remove a second factor: "${user.login}" has none`);
        await deleteSecondFactor(tx, user.id);
        await insertActivity(tx, { userId: user.id, kind: "second-factor-removed", subject: "operator" });
        await noteOperator(tx, { action: "second-factor.removed", subject: user.id });
        return user.login;
      }),
    );
    output.say(output.text.factorRemoved(login));
    output.result({ ok: true, login });
  },
});
