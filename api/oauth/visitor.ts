import { findUser, type UserRow } from "../../db/account.ts";
import { findSession } from "../../db/session.ts";
import type { Api } from "../api.ts";
import { clearHandover, readHandover } from "../oidc/cookies.ts";
import { revokeSessions } from "../sessions/service.ts";

/** Somebody who came back from a provider a short time ago, and whose tokens no page has fetched. */
export type Visitor = { user: UserRow; sessionId: string };

/** Who that is, by the cookie of the sign-in through a provider, as his row and session say at this moment. */
export async function findVisitor(api: Api, request: Request): Promise<Visitor | undefined> {
  const sessionId = readHandover(api, request);
  const session = sessionId === undefined ? undefined : await findSession(api.db, sessionId);
  const user = session?.fresh && session.counter === 0 ? await findUser(api.db, session.userId) : undefined;
  return session && user && { user, sessionId: session.id };
}

/** Ends the session of a visitor, who came for one question. Answers the Set-Cookie header that removes his cookie. */
export async function endVisit(api: Api, { user, sessionId }: Visitor): Promise<string> {
  await revokeSessions(api, { userId: user.id, reason: "its question was answered", only: sessionId });
  return clearHandover(api);
}
