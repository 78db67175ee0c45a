import { Fault } from "../../fault.ts";
import type { Keys } from "../../keys.ts";
import type { Api } from "../api.ts";
import { gameAllowance } from "../sign-in-limits.ts";
import { unauthorized } from "./answer.ts";
import { type Certificates, openCertificates } from "./certificates.ts";
import { openProfiles, type Profiles, requireGameKey } from "./profiles.ts";
import { requireGameToken } from "./sign-in.ts";

type Server = { requestIP: (request: Request) => { address: string } | null } | null;

/** What the routes of games are given. */
export type Game = {
  api: Api;
  keys: Keys;
  profiles: Profiles;
  certificates: Certificates;
  addressOf: (asked: { request: Request; server: Server }) => string;
  /** Counts a request; 429 when its address has sent too many. */
  admit: (asked: { request: Request; server: Server }) => Promise<void>;
  /** The token of `Authorization: Bearer`, or 401. */
  requireBearer: (request: Request) => ReturnType<typeof requireGameToken>;
};

export function openGame(api: Api, keys: Keys): Game {
  const { config, rateLimits, publicUrl } = api;
  const addressOf: Game["addressOf"] = ({ request, server }) =>
    api.addressOf(request, server?.requestIP(request)?.address);
  return {
    api,
    keys,
    profiles: openProfiles({ key: keys.gameKey, publicUrl }),
    certificates: openCertificates(() => requireGameKey(keys.gameKey)),
    addressOf,
    admit: (asked) => rateLimits.take([gameAllowance(config, addressOf(asked))]),
    requireBearer: async (request) => {
      const accessToken = /^Bearer (\S{1,512})$/i.exec(request.headers.get("authorization") ?? "")?.[1];
      if (accessToken === undefined) throw unauthorized();
      return requireGameToken(api, { accessToken }).catch((error: unknown) => {
        throw error instanceof Fault && error.code === "not-allowed" ? unauthorized() : error;
      });
    },
  };
}
