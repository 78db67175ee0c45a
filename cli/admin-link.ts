import { resolve } from "node:path";
import { findUserByName } from "../db/account.ts";
import { findAddressee, insertLink } from "../db/mail-link.ts";
import { Fault } from "../fault.ts";
import { openLog } from "../log.ts";
import { linkTo, makeToken } from "../workers/compose-mail.ts";
import { defineCommand, usageFault } from "./arguments.ts";
import { withDatabase } from "./database.ts";
import { findHolder } from "./doctor/folder.ts";
import { noteOperator } from "./ops/note.ts";
import { readSettings } from "./settings.ts";

const usage = "admin link --login L [--purpose reset|verify] [--server URL] [--data DIR]";
const hours = 24;

/** `sunduk admin link`: a link as it would be mailed, for an operator without a mail server to hand out himself. */
export const command = defineCommand({
  name: "admin link",
  usage,
  summary: "Make a link with which somebody sets a new password or confirms his address",
  options: {
    login: { type: "string" },
    purpose: { type: "string" },
    data: { type: "string" },
    config: { type: "string" },
  },
  positionals: [],
  async run({ values, output, signal }) {
    const name = values.login?.toLowerCase();
    if (!name) throw usageFault("Make a link: --login is missing", usage);
    const purpose = values.purpose ?? "reset";
    if (purpose !== "reset" && purpose !== "verify")
      throw usageFault(`Make a link: --purpose is reset or verify, not "${purpose}"`, usage);
    const config = readSettings(values);
    const running = (await findHolder(resolve(config.DATA)))?.address;
    const address = values.server ?? config.PUBLIC_URL ?? running ?? `http://${config.HOST}:${config.PORT}`;
    const base = address.replace(/\/+$/, "");
    const log = openLog({ level: "warn", service: "admin" });
    const { token, tokenHash } = makeToken();
    const login = await withDatabase({ config, log, signal }, async (db) => {
      const id = (await findUserByName(db, name))?.id;
      const user = id === undefined ? undefined : await findAddressee(db, id);
      if (!user) throw new Fault("not-found", `Make a link: there is no account "${name}"`);
      if (purpose === "verify" && (user.email === null || user.verified))
        throw new Fault("conflict", `Make a link: "${user.login}" has no address that waits to be confirmed`);
      const link = { id: Bun.randomUUIDv7(), tokenHash, userId: user.id, purpose, lifetimeSeconds: hours * 3600 };
      await db.transaction(async (tx) => {
        await insertLink(tx, { ...link, purpose, email: user.email ?? "" });
        await noteOperator(tx, { action: "link.made", subject: link.userId, detail: { purpose } });
      });
      return user.login;
    });
    const link = linkTo(base, { purpose, token });
    const { text } = output;
    output.say(purpose === "reset" ? text.resetLink(login, hours) : text.verifyLink(login, hours));
    if (!output.json) output.say(link);
    output.result({ ok: true, login, purpose, link, expiresInSeconds: hours * 3600 });
  },
});
