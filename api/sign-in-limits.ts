import type { Config } from "../config.ts";
import type { Allowance } from "./rate-limits.ts";

type Guess = { login: string; address: string };

/** An account may be tried so many times more often from everywhere than from one address. */
const everywhere = 10;

/**
 * What a try at a password takes. From one address few; at one account, from everywhere, ten times as many, so that
 * whoever guesses from one address does not lock its owner out at another.
 */
export function signInAllowances(config: Config, { login, address }: Guess): Allowance[] {
  const perMinute = config.LIMIT_SIGN_INS_PER_ACCOUNT;
  const account = login.toLowerCase();
  return [
    { name: "account", perMinute, key: `${account} ${address}` },
    { name: "account-everywhere", perMinute: perMinute * everywhere, key: account },
  ];
}

/** What any call at all takes from its address. */
export function addressAllowance(config: Config, address: string): Allowance {
  return { name: "address", perMinute: config.LIMIT_SIGN_INS_PER_MINUTE, key: address };
}

/** What a device takes that begins to sign its user in: apart from sign-ins, which he does from the same address. */
export function beginAllowance(config: Config, address: string): Allowance {
  return { name: "devices", perMinute: config.LIMIT_SIGN_INS_PER_MINUTE, key: address };
}

/** Codes for clients, each of which opens a session, of one who is signed in with his browser. */
export function codeAllowance(config: Config, userId: string): Allowance {
  return { name: "codes", perMinute: config.LIMIT_SIGN_INS_PER_MINUTE, key: userId };
}

/** Refreshing guesses nothing, nor does redeeming a code, and many launchers may share an address. */
export function refreshAllowance(config: Config, address: string): Allowance {
  return { name: "refresh", perMinute: config.LIMIT_SIGN_INS_PER_MINUTE * everywhere, key: address, alone: true };
}

/** What games and their servers ask, a server for all of its players; nothing of it can be guessed. */
export function gameAllowance(config: Config, address: string): Allowance {
  return { name: "games", perMinute: config.LIMIT_SIGN_INS_PER_MINUTE * 100, key: address, alone: true };
}

/** Opening share links: their tokens cannot be guessed, and many people may share an address. */
export function openingAllowance(config: Config, address: string): Allowance {
  return { name: "shares", perMinute: config.LIMIT_SIGN_INS_PER_MINUTE * everywhere, key: address, alone: true };
}

/** What a try at the password of a share link takes: as for an account. */
export function sharePasswordAllowances(
  config: Config,
  { shareId, address }: { shareId: string; address: string },
): Allowance[] {
  const perMinute = config.LIMIT_SIGN_INS_PER_ACCOUNT;
  return [
    { name: "share-password", perMinute, key: `${shareId} ${address}` },
    { name: "share-password-everywhere", perMinute: perMinute * everywhere, key: shareId },
  ];
}
