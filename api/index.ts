import { Elysia } from "elysia";
import type { Deps } from "../deps.ts";
import type { Keys } from "../keys.ts";
import { accounts } from "./accounts/index.ts";
import { openPasswords } from "./accounts/passwords.ts";
import type { Api } from "./api.ts";
import { blobs } from "./blobs/index.ts";
import { health } from "./health/index.ts";
import { jobs } from "./jobs/index.ts";
import { bodyLimits, openAddresses } from "./limits.ts";
import { objects } from "./objects/index.ts";
import { packs } from "./packs/index.ts";
import { problems } from "./problem.ts";
import { openTokens } from "./tokens.ts";
import { uploads } from "./uploads/index.ts";
import { versions } from "./versions/index.ts";

export type RunningApi = { port: number; close: () => Promise<void> };
type Options = { keys: Keys; host: string; port: number; features: string[] };

const maxRequestBytes = 5 * 1024 ** 3;
const drainMs = 5_000;

/** The features that `bun main.ts api [feature…]` can be told to serve; health is always served. */
export const features = { accounts, packs, versions, uploads, blobs, jobs };

/** Opens the API on a port; 0 picks a free one. Serves all features, or those named. */
export async function openApi(deps: Deps, { keys, host, port, features: names }: Options): Promise<RunningApi> {
  const wanted = (name: string) => names.length === 0 || names.includes(name);
  const unknown = names.filter((name) => !Object.hasOwn(features, name));
  if (unknown.length > 0)
    throw new Error(
      `Cannot start the API: there is no feature ${unknown.join(", ")}. There are ${Object.keys(features).join(", ")}`,
    );
  const api: Api = {
    ...deps,
    tokens: await openTokens(keys),
    passwords: openPasswords(),
    addressOf: openAddresses(deps.config.TRUSTED_PROXIES),
  };
  const app = new Elysia({
    normalize: false,
    aot: true,
    serve: { hostname: host, port, maxRequestBodySize: maxRequestBytes, idleTimeout: 60 },
  })
    .use(problems(deps.log))
    .use(bodyLimits(deps.config.LIMIT_BODY_BYTES))
    .use(health(api));
  if (deps.disk) app.use(objects(deps.disk));
  if (wanted("accounts")) app.use(accounts(api, keys));
  if (wanted("packs")) app.use(packs(api));
  if (wanted("versions")) app.use(versions(api));
  if (wanted("uploads")) app.use(uploads(api));
  if (wanted("blobs")) app.use(blobs(api));
  if (wanted("jobs")) app.use(jobs(api));
  app.listen({ hostname: host, port });
  const { server } = app;
  if (!server?.port) throw new Error(`Cannot listen on ${host}:${port}`);
  return {
    port: server.port,
    close: async () => {
      const drained = server.stop(false);
      await Promise.race([drained, Bun.sleep(drainMs)]);
      await server.stop(true);
    },
  };
}
