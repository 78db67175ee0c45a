import { lockUser } from "../../db/identity.ts";
import { findPlayersById } from "../../db/player.ts";
import { goodDays, insertGameToken, replaceGameToken } from "../../db/yggdrasil.ts";
import { hashToken } from "../../digest.ts";
import { gameTokenPrefix } from "../access-tokens.ts";
import type { Api } from "../api.ts";
import { toGameId } from "./answer.ts";
import { endGameSessionsIn } from "./end.ts";
import { mostTokens } from "./sign-in.ts";

export const clientTokenSeconds = goodDays * 24 * 3600;

type Session = { userId: string; sessionId: string; refreshToken: string };

/**
 * The token of games for a session that a client was given by OAuth: a game that runs for hours cannot refresh one of ten
 * minutes. It belongs to the session's refresh token, so that who repeats a refresh is given the same; the former ends.
 */
export async function giveClientToken(
  api: Api,
  { session, playerId }: { session: Session; playerId: string | null },
): Promise<string> {
  const { userId, sessionId, refreshToken } = session;
  const token = `${gameTokenPrefix}${api.seal.derive("game token", refreshToken)}`;
  const hash = hashToken(token);
  const ended = await api.db.transaction(async (tx) => {
    await lockUser(tx, userId); // two at once would both insert, or see room for one more
    const [player] = playerId === null ? [] : await findPlayersById(tx, [playerId]);
    if ((await replaceGameToken(tx, { sessionId, hash, player })) > 0) return [];
    const clientToken = toGameId(crypto.randomUUID());
    await insertGameToken(tx, { sessionId, hash, clientToken, player, appPasswordId: null });
    return endGameSessionsIn(tx, { userId, skip: mostTokens, reason: "signed in on too many others" });
  });
  for (const revocation of ended) api.revocations.tell(revocation);
  return token;
}
