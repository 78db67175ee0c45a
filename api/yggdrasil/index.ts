import { Elysia } from "elysia";
import type { Keys } from "../../keys.ts";
import manifest from "../../package.json" with { type: "json" };
import type { Api } from "../api.ts";
import { answerGame } from "./answer.ts";
import { authServer } from "./auth-routes.ts";
import { type Game, openGame } from "./game.ts";
import { names, sessionServer } from "./player-routes.ts";
import { requireGameKey } from "./profiles.ts";
import { services } from "./service-routes.ts";
import { textures } from "./texture-routes.ts";

/** Under which games find their servers: the address that authlib-injector is given. */
const yggdrasilPath = "/yggdrasil/";
/** By which launchers find it on any page of a server ("API Location Indication"). */
export const locationHeader = { "x-authlib-injector-api-location": yggdrasilPath };

/** Sign-in of games as authlib-injector wants it (its Yggdrasil server technical specification). */
export function yggdrasil(api: Api, keys: Keys) {
  const game = openGame(api, keys);
  if (!keys.gameKey)
    api.log.warn("games cannot sign in: YGGDRASIL_KEY is not set. Make it with `bun main.ts secrets DIR`");
  return new Elysia({ prefix: "/yggdrasil", tags: ["games"] })
    .get("", () => describeServer(game), {
      detail: { summary: "What authlib-injector asks first: features, hosts of skins, the key that signs" },
    })
    .head("", () => describeServer(game), { detail: { hide: true } })
    .use(authServer(game))
    .use(sessionServer(game))
    .use(names(game))
    .use(textures(game))
    .use(services(game));
}

async function describeServer({ api, keys }: Game): Promise<Response> {
  const base = api.publicUrl();
  const answer = await answerGame(async () => {
    const { publicPem } = requireGameKey(keys.gameKey);
    const hosts = [base, ...api.config.PUBLIC_URL_ALIASES].map((url) => new URL(url).hostname);
    return {
      meta: {
        serverName: new URL(base).host,
        implementationName: manifest.name,
        implementationVersion: manifest.version,
        links: { homepage: `${base}/`, register: `${base}/` },
        "feature.non_email_login": true,
        "feature.enable_profile_key": true,
        "feature.username_check": true,
        "feature.openid_configuration_url": `${base}/.well-known/openid-configuration`,
      },
      skinDomains: [...new Set(hosts)],
      signaturePublickey: publicPem,
    };
  });
  for (const [name, value] of Object.entries(locationHeader)) answer.headers.set(name, value);
  if (answer.ok) answer.headers.set("cache-control", "public, max-age=300");
  return answer;
}
