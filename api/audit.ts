import { type Act, insertAct } from "../db/audit.ts";
import type { Db } from "../db/query.ts";
import type { Caller } from "./tokens.ts";
import { traceOf } from "./trace.ts";

/** Who acts by virtue of his office, and in which request. */
export type Office = { caller: Pick<Caller, "userId">; request: Request };

/** Notes what somebody does by virtue of his office, in the transaction that does it. */
export async function noteAct(tx: Db, { caller, request }: Office, act: Act): Promise<void> {
  await insertAct(tx, { actor: { via: "api", actorId: caller.userId, trace: traceOf(request) }, act });
}
