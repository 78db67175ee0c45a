import type { Db } from "../../db/query.ts";
import type { Revocation } from "../../db/revocation.ts";
import { listGameSessions } from "../../db/yggdrasil.ts";
import { endSessionsIn } from "../sessions/service.ts";

type End = { userId: string; reason: string; skip?: number; appPasswordId?: string };

/**
 * Ends somebody's sessions in games, or those of one app password, without the newest `skip`: in the transaction of the
 * caller, who tells what it answers after the commit.
 */
export async function endGameSessionsIn(tx: Db, { reason, ...which }: End): Promise<Revocation[]> {
  const ended: Revocation[] = [];
  for (const only of await listGameSessions(tx, which))
    ended.push(...(await endSessionsIn(tx, { userId: which.userId, reason, only })));
  return ended;
}
