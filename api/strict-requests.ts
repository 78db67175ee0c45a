import { Elysia } from "elysia";
import { Fault } from "../fault.ts";

type Route = { method: string; path: string; hooks: { query?: unknown; body?: unknown } };
/** The routes of the app, filled in once all are mounted. */
export type Mounted = { routes: readonly Route[] };

/**
 * Refuses what nobody would read on routes under /v1: query parameters (400) and members of a body (422) where the route
 * describes none, and anywhere a parameter that is given twice, of which others may read the first. What a route
 * describes, it checks itself.
 */
export function strictRequests(mounted: Mounted) {
  let described: { queries: Set<string>; bodies: Set<string> } | undefined;
  return new Elysia({ name: "strict-requests" })
    .onBeforeHandle(({ request, route, body }) => {
      const asks = request.url.includes("?");
      if ((!asks && !hasMembers(body)) || !route.startsWith("/v1/")) return;
      described ??= { queries: listWith("query", mounted), bodies: listWith("body", mounted) };
      const name = `${request.method} ${route}`;
      if (asks) refuseParameters(request, described.queries.has(name));
      if (hasMembers(body) && !described.bodies.has(name))
        throw new Fault("invalid", "Cannot accept the body: this address takes none", {
          errors: [{ pointer: "", detail: "is not taken here" }],
        });
    })
    .as("global");
}

function listWith(part: "query" | "body", { routes }: Mounted): Set<string> {
  return new Set(routes.flatMap(({ method, path, hooks }) => (hooks[part] === undefined ? [] : `${method} ${path}`)));
}

function hasMembers(body: unknown): boolean {
  return typeof body === "object" ? body !== null && Object.keys(body).length > 0 : body !== undefined;
}

function refuseParameters(request: Request, isDescribed: boolean): void {
  const names = [...new URL(request.url).searchParams.keys()];
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  const parameter = twice ?? (isDescribed ? undefined : names[0]);
  if (parameter === undefined) return;
  const detail = twice === undefined ? "is unknown here" : "is given twice";
  throw new Fault("malformed", `Cannot accept the request: the parameter "${parameter}" ${detail}`, {
    errors: [{ parameter, detail }],
  });
}
