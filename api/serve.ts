import { openRevocationFeed } from "../db/revocation.ts";
import type { Deps } from "../deps.ts";
import type { Keys } from "../keys.ts";
import { openCollector } from "./analytics/collector.ts";
import { makeApp } from "./index.ts";
import { openRevocations, type Revocations } from "./revocations.ts";

export type RunningApi = { port: number; close: () => Promise<void> };
type Options = { keys: Keys; host: string; port: number; features: string[] };

const drainMs = 5_000;
const drainLookMs = 20;

/** What this process knows of revocations; to be closed by whoever opened it. */
export function openProcessRevocations({ config, bus, log }: Pick<Deps, "config" | "bus" | "log">): Revocations {
  return openRevocations({ feed: openRevocationFeed(config.DATABASE_URL ?? "", log), bus, log });
}

/** Opens the API on a port; 0 picks a free one. */
export async function openApi(deps: Deps, { keys, host, port, features }: Options): Promise<RunningApi> {
  await using stack = new AsyncDisposableStack();
  const revocations = openProcessRevocations(deps);
  stack.defer(revocations.close);
  const collector = openCollector(deps);
  stack.defer(collector.close);
  const leaving = { begun: false };
  const app = await makeApp(deps, { keys, features, revocations, collector, leaving });
  app.listen({ hostname: host, port });
  const { server } = app;
  if (!server?.port) throw new Error(`Cannot listen on ${host}:${port}`);
  const opened = stack.move();
  return {
    port: server.port,
    close: async () => {
      // A proxy first loses the connections that it keeps to us: closing one would fail the request that it sends just then.
      leaving.begun = true;
      if (deps.config.TRUSTED_PROXIES.length > 0) await Bun.sleep(deps.config.LINGER_SECONDS * 1000);
      // Ends listening; the promise would also wait for connections that are kept alive and carry nothing.
      void server.stop(false);
      const deadline = performance.now() + drainMs;
      while (server.pendingRequests > 0 && performance.now() < deadline) await Bun.sleep(drainLookMs);
      await server.stop(true);
      await opened.disposeAsync();
    },
  };
}
