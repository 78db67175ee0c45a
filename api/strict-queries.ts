import { Elysia } from "elysia";
import { Fault } from "../fault.ts";

/** The routes of the app, filled in once all are mounted. */
export type Mounted = { routes: readonly { method: string; path: string; hooks: { query?: unknown } }[] };

/**
 * Refuses (400) query parameters on routes under /v1 that describe none, and on all of them a parameter that is given
 * twice, of which others may read the first. What a route describes, it checks itself.
 */
export function strictQueries(mounted: Mounted) {
  let described: Set<string> | undefined;
  return new Elysia({ name: "strict-queries" })
    .onBeforeHandle(({ request, route }) => {
      if (!request.url.includes("?") || !route.startsWith("/v1/")) return;
      const names = [...new URL(request.url).searchParams.keys()];
      const [parameter] = names;
      if (parameter === undefined) return;
      const twice = names.find((name, index) => names.indexOf(name) !== index);
      if (twice !== undefined) throw refuse(twice, "is given twice");
      described ??= new Set(
        mounted.routes.flatMap(({ method, path, hooks }) => (hooks.query === undefined ? [] : `${method} ${path}`)),
      );
      if (described.has(`${request.method} ${route}`)) return;
      throw refuse(parameter, "is unknown here");
    })
    .as("global");
}

function refuse(parameter: string, detail: string): Fault {
  return new Fault("malformed", `Cannot accept the request: the parameter "${parameter}" ${detail}`, {
    errors: [{ parameter, detail }],
  });
}
