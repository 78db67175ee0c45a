import { findUser, findUserByName, type UserRow } from "../../db/account.ts";
import { lockUser } from "../../db/identity.ts";
import { findPlayersByName, listPlayers } from "../../db/player.ts";
import { findGameToken, insertGameToken, lockGameToken, replaceGameToken } from "../../db/yggdrasil.ts";
import { hashToken } from "../../digest.ts";
import { Fault, hasCode } from "../../fault.ts";
import { makeSecret } from "../../keys.ts";
import { gameTokenPrefix } from "../access-tokens.ts";
import { requirePassword } from "../accounts/service.ts";
import type { Api } from "../api.ts";
import { verifyAppPassword } from "../app-passwords/service.ts";
import { isConfigured } from "../oauth/clients.ts";
import type { Allowance } from "../rate-limits.ts";
import { type Origin, openSession, revokeSessions } from "../sessions/service.ts";
import { addressAllowance, signInAllowances } from "../sign-in-limits.ts";
import { forbiddenBecause, illegalArgument, invalidCredentials, invalidToken, readGameId, toGameId } from "./answer.ts";
import { endGameSessionsIn } from "./end.ts";
import type { Authenticate, Credentials, Refresh, Validate } from "./model.ts";

/** As sessions name what games are signed in with by password. */
export const gameClientId = "yggdrasil";
/** Of one account; whoever signs in once more ends the oldest. */
export const mostTokens = 10;

const makeGameToken = () => `${gameTokenPrefix}${makeSecret()}`;
const describe = ({ id, name }: { id: string; name: string }) => ({ id: toGameId(id), name });
const describeUser = ({ id, locale }: { id: string; locale: string }) => ({
  id: toGameId(id),
  properties: [{ name: "preferredLanguage", value: locale }],
});

type Guess = Credentials & { address: string };
type Known = { user: UserRow; playerId: string | null; appPasswordId: string | null };

/**
 * Signs a launcher in by login, e-mail address or the name of a player, who is then the one that is played. The account's
 * password opens accounts without a second factor, app passwords all.
 */
export async function authenticate(
  api: Api,
  { username, password, clientToken, requestUser }: Authenticate,
  origin: Origin,
): Promise<object> {
  const { user, playerId, appPasswordId } = await requireUser(api, { username, password, address: origin.address });
  const { id: userId, passwordChanges } = user;
  const players = await listPlayers(api.db, userId);
  const player = players.find(({ id }) => id === playerId) ?? (players.length === 1 ? players[0] : undefined);
  const accessToken = makeGameToken();
  const client = clientToken || toGameId(crypto.randomUUID());
  const ended = await api.db
    .transaction(async (tx) => {
      await lockUser(tx, userId); // two at once would both see room for one more
      const signingIn = appPasswordId === null ? { ...user, passwordChanges } : withoutPassword(user);
      const { sessionId } = await openSession({ ...api, db: tx }, { user: signingIn, origin });
      await insertGameToken(tx, {
        sessionId,
        hash: hashToken(accessToken),
        clientToken: client,
        player,
        appPasswordId,
      });
      return endGameSessionsIn(tx, { userId, skip: mostTokens, reason: "signed in on too many others" });
    })
    .catch((error: unknown) => {
      // The account was changed, or the app password or the player deleted, at this moment.
      throw hasCode(error, "23503") ? invalidCredentials() : asCredentials(error);
    });
  for (const revocation of ended) api.revocations.tell(revocation);
  return {
    accessToken,
    clientToken: client,
    availableProfiles: players.map(describe),
    ...(player && { selectedProfile: describe(player) }),
    ...(requestUser && { user: describeUser(user) }),
  };
}

/**
 * Another token for one that is at least refreshable; the former is good for nothing afterwards. Chooses a player, once; for
 * a client of OAuth its user does that.
 */
export async function refresh(api: Api, { accessToken, clientToken, requestUser, selectedProfile }: Refresh) {
  const fresh = makeGameToken();
  return api.db.transaction(async (tx) => {
    const token = await lockGameToken(tx, hashToken(accessToken));
    if (!token || !isKnown(api.config, token.clientId) || (clientToken && clientToken !== token.clientToken))
      throw invalidToken();
    const { sessionId, userId, playerId, playerName } = token;
    let player = playerId !== null && playerName !== null ? { id: playerId, name: playerName } : undefined;
    if (selectedProfile) {
      if (player || token.clientId !== gameClientId)
        throw illegalArgument("Access token already has a profile assigned.");
      const wanted = readGameId(selectedProfile.id);
      player = (await listPlayers(tx, userId)).find(({ id }) => id === wanted);
      if (!player) throw forbiddenBecause("This profile is not one of yours.");
    }
    await replaceGameToken(tx, { sessionId, hash: hashToken(fresh), player });
    return {
      accessToken: fresh,
      clientToken: token.clientToken,
      ...(player && { selectedProfile: describe(player) }),
      ...(requestUser && { user: describeUser({ id: userId, locale: token.locale }) }),
    };
  });
}

/** The token when it is good as it is; else 403. */
export async function requireGameToken(
  { db, config }: Pick<Api, "db" | "config">,
  { accessToken, clientToken }: Validate,
) {
  const token = await findGameToken(db, hashToken(accessToken));
  if (!token?.good || !isKnown(config, token.clientId) || (clientToken && clientToken !== token.clientToken))
    throw invalidToken();
  return token;
}

/** Whether the client of a session is still one of the configuration's; games with a password have always been. */
function isKnown(config: Api["config"], id: string): boolean {
  return id === gameClientId || isConfigured(config, id);
}

/** Ends the session of a token, if there is one. */
export async function invalidate(api: Api, { accessToken }: Validate): Promise<void> {
  const token = await findGameToken(api.db, hashToken(accessToken));
  if (token) await revokeSessions(api, { userId: token.userId, reason: "signed out", only: token.sessionId });
}

/** Ends all of somebody's sessions in games. */
export async function signOut(api: Api, guess: Guess): Promise<void> {
  const { user } = await requireUser(api, guess);
  const end = { userId: user.id, reason: "signed out of all games" };
  const ended = await api.db.transaction((tx) => endGameSessionsIn(tx, end));
  for (const revocation of ended) api.revocations.tell(revocation);
}

/**
 * Who that is, or 403: of one cost and answer for a wrong password, an unknown name, and where a password alone is not enough.
 * Who has tried too often is told the same; tries are those of the other sign-in, at the account by whichever of its names.
 */
async function requireUser(api: Api, { username, password, address }: Guess): Promise<Known> {
  const { db, config } = api;
  const take = (allowances: Allowance[]) =>
    api.rateLimits.take(allowances).catch((error: unknown) => {
      throw error instanceof Fault && error.code === "too-many" ? invalidCredentials() : error;
    });
  await take([addressAllowance(config, address)]);
  const [player] = await findPlayersByName(db, [username]);
  const named = await findUserByName(db, username.toLowerCase());
  const user = named ?? (player && (await findUser(db, player.userId)));
  const tries = signInAllowances(config, { login: user?.login ?? username, address });
  await take(tries);
  const used = await verifyAppPassword(db, { login: username, password });
  const owner = used && (await findUser(db, used.userId));
  // Launchers sign in again and again: a right password is no guess.
  const giveBack = () => api.rateLimits.giveBack(tries);
  if (used && owner) {
    await giveBack();
    return { user: owner, playerId: used.playerId, appPasswordId: used.id };
  }
  const opened = user?.secondFactor ? undefined : user;
  await requirePassword(api, { user: opened, password }).catch((error: unknown) => {
    throw asCredentials(error);
  });
  if (!user) throw invalidCredentials();
  await giveBack();
  return { user, playerId: player && player.userId === user.id ? player.id : null, appPasswordId: null };
}

function asCredentials(error: unknown): unknown {
  return error instanceof Fault && error.code === "not-signed-in" ? invalidCredentials() : error;
}

function withoutPassword({ id, login, roles, ver }: UserRow) {
  return { id, login, roles, ver };
}
