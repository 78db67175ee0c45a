import { useAccessToken } from "../db/access-token.ts";
import { findGameCaller } from "../db/yggdrasil.ts";
import type { Deps } from "../deps.ts";
import { hashToken } from "../digest.ts";
import { scopesOf } from "./oauth/clients.ts";
import type { Revocations } from "./revocations.ts";
import type { Caller } from "./tokens.ts";

/** What personal access tokens begin with, so that scanners of leaked secrets know them. */
export const accessTokenPrefix = "sdk_pat_";
/** The same for tokens of games, none of which begins like an option of a command line. */
export const gameTokenPrefix = "sdk_ygg_";
/** Whether it is one of these, and no JWT. */
export const isOpaque = (token: string) => token.startsWith(accessTokenPrefix) || token.startsWith(gameTokenPrefix);

export type AccessTokens = {
  /** The caller of a personal access token, or of a client's token for games; undefined when it is unknown, expired or revoked. */
  read: (token: string) => Promise<Caller | undefined>;
};

const rememberedMs = 30_000;
const maxRemembered = 5_000;

/**
 * Looks personal access tokens up by their SHA-256 and remembers good ones for half a minute; revoking one is told at once.
 * One that lives on when its user's roles change is looked up again, and has the new ones.
 */
export function openAccessTokens({
  db,
  config,
  revocations,
}: Pick<Deps, "db" | "config"> & { revocations: Pick<Revocations, "isRevoked"> }): AccessTokens {
  const remembered = new Map<string, { caller: Caller; until: number }>();
  return {
    read: async (token) => {
      if (/^sdk_ygg_[\w-]{43}$/.test(token)) return readGameToken({ db, config }, token);
      if (!/^sdk_pat_[\w-]{43}$/.test(token)) return undefined;
      const known = remembered.get(token);
      if (known && known.until > Date.now() && !revocations.isRevoked(known.caller)) return known.caller;
      const row = await useAccessToken(db, hashToken(token));
      remembered.delete(token);
      if (!row) return undefined;
      const { id, userId, scopes, login, roles, ver, expiresAt } = row;
      const caller: Caller = { userId, login, roles, ver, scopes, sessionId: null, tokenId: id };
      if (remembered.size >= maxRemembered) remembered.clear();
      remembered.set(token, { caller, until: Math.min(Date.now() + rememberedMs, expiresAt.getTime()) });
      return caller;
    },
  };
}

/** Its session decides, each time anew. One that a password has opened is for games alone: it has no scopes. */
async function readGameToken({ db, config }: Pick<Deps, "db" | "config">, token: string): Promise<Caller | undefined> {
  const row = await findGameCaller(db, hashToken(token));
  const allowed = row && scopesOf(config, row.clientId);
  if (!allowed) return undefined;
  const { clientId: _, ...caller } = row;
  return { ...caller, scopes: row.scopes.filter((scope) => allowed.includes(scope)), tokenId: null };
}
