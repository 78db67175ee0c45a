import { Elysia } from "elysia";
import { Fault } from "../fault.ts";

/** The routes of the app, filled in once all are mounted. */
export type Mounted = { routes: readonly { method: string; path: string; hooks: { query?: unknown } }[] };

/** Refuses query parameters (400) on routes under /v1 that describe none; the others check their own. */
export function strictQueries(mounted: Mounted) {
  let described: Set<string> | undefined;
  return new Elysia({ name: "strict-queries" })
    .onBeforeHandle(({ request, route }) => {
      if (!request.url.includes("?") || !route.startsWith("/v1/")) return;
      const [parameter] = new URL(request.url).searchParams.keys();
      if (parameter === undefined) return;
      described ??= new Set(
        mounted.routes.flatMap(({ method, path, hooks }) => (hooks.query === undefined ? [] : `${method} ${path}`)),
      );
      if (described.has(`${request.method} ${route}`)) return;
      throw new Fault("malformed", `Cannot accept the request: the parameter "${parameter}" is unknown here`, {
        errors: [{ parameter, detail: "is unknown here" }],
      });
    })
    .as("global");
}
