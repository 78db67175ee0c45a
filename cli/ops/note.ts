import { userInfo } from "node:os";
import { join } from "node:path";
import type { Config } from "../../config.ts";
import { readSecret } from "../../data-folder.ts";
import { type Act, insertAct } from "../../db/audit.ts";
import { findEmbeddedPostgres } from "../../db/embedded.ts";
import { openPostgres } from "../../db/postgres.ts";
import type { Db } from "../../db/query.ts";
import { openLog } from "../../log.ts";

/** Notes what an operator does on the command line, in the transaction that does it. */
export async function noteOperator(tx: Db, act: Act): Promise<void> {
  await insertAct(tx, { actor: { via: "cli", operator: operatorName() }, act });
}

/** The same for what is done to something else than the database. False when that cannot be reached: it need not run for this. */
export async function noteBeside(config: Config, act: Act): Promise<boolean> {
  const password = await readSecret(config.DATA, "database-password");
  const url =
    config.DATABASE_URL ??
    (password && (await findEmbeddedPostgres(join(config.DATA, "postgres"), password.trim()).catch(() => undefined)));
  if (!url) return false;
  const db = openPostgres(url, { max: 1, log: openLog({ level: "silent", service: "audit" }), name: "cli" });
  try {
    await noteOperator(db, act);
    return true;
  } catch {
    return false;
  } finally {
    await db.close();
  }
}

/** The operator's account on this machine; a container's may have no name. */
function operatorName(): string {
  try {
    return userInfo().username;
  } catch {
    return `uid ${process.getuid?.() ?? "unknown"}`;
  }
}
