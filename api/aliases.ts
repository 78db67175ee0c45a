import { Value } from "@sinclair/typebox/value";
import { Elysia, t } from "elysia";
import type { Db } from "../db/query.ts";
import { Fault } from "../fault.ts";
import { writeTraceparent } from "../trace.ts";
import { Register, SignIn } from "./accounts/model.ts";
import { Deletion, ProfileChange } from "./me/model.ts";
import { traceOf } from "./trace.ts";
import { findShownProfile } from "./users/service.ts";

type Method = "GET" | "POST" | "PATCH" | "DELETE";
type Alias = {
  from: [method: Method, path: string];
  to: [method: Method, path: string];
  body?: typeof Register | typeof SignIn | typeof ProfileChange | typeof Deletion;
  /** Those clients know nothing of revisions: whatever the thing is now, it is changed. */
  unconditional?: boolean;
  /** Which part of the old path names the user whose the thing has to be: the new path does not. */
  owner?: string;
  /** What the last part of the old path ends in, and the new one does not. */
  extension?: string;
};

const Owned = t.Object({ owner: t.String() });

/** Addresses of the services that Sunduk replaces, and what they mean here. */
const aliases: Alias[] = [
  { from: ["POST", "/v1/register"], to: ["POST", "/v1/auth/register"], body: Register },
  { from: ["POST", "/auth/register"], to: ["POST", "/v1/auth/register"], body: Register },
  { from: ["POST", "/v1/token"], to: ["POST", "/v1/auth/login"], body: SignIn },
  { from: ["POST", "/auth/login"], to: ["POST", "/v1/auth/login"], body: SignIn },
  { from: ["DELETE", "/users/logout"], to: ["DELETE", "/v1/auth/sessions/current"] },
  { from: ["DELETE", "/users/del"], to: ["DELETE", "/v1/me"], body: Deletion },
  { from: ["DELETE", "/users/delete"], to: ["DELETE", "/v1/me"], body: Deletion },
  { from: ["GET", "/me"], to: ["GET", "/v1/me"] },
  { from: ["PATCH", "/me/update"], to: ["PATCH", "/v1/me"], body: ProfileChange, unconditional: true },
  { from: ["GET", "/users/:id"], to: ["GET", "/v1/users/:id"] },
  { from: ["GET", "/v1/user/:file"], to: ["GET", "/v1/images/:file/original"], extension: ".webp" },
  { from: ["GET", "/me/photos"], to: ["GET", "/v1/me/images"] },
  { from: ["GET", "/me/photos/:id"], to: ["GET", "/v1/images/:id"] },
  { from: ["DELETE", "/me/photos/:id"], to: ["DELETE", "/v1/images/:id"] },
  { from: ["GET", "/users/:id/photos/:photo"], to: ["GET", "/v1/images/:photo"], owner: ":id" },
];

type Again = {
  db: Db;
  /** Answers a request as the app does. */
  handle: (request: Request) => Response | Promise<Response>;
  /** Notes who is at the other end, which a request that comes from here cannot tell. */
  setPeer: (request: Request, peer: string | undefined) => void;
};

/** Since when there have been better ones: this program's first release (a Date of RFC 9651). */
export const deprecatedSince = "@1763596800";

/**
 * Answers old addresses as the new ones do, limits and refusals included: each request is handed to the app once more,
 * as what it means. `Link: rel="successor-version"` (RFC 5829) and `Deprecation` (RFC 9745) tell their clients.
 */
export function oldAddresses({ db, handle, setPeer }: Again) {
  const app = new Elysia({ tags: ["aliases"] });
  for (const { from, to, body, unconditional, owner, extension } of aliases) {
    const [method, path] = from;
    const [newMethod, newPath] = to;
    app.route(
      method,
      path,
      async ({ request, body: given, server }) => {
        const { pathname, search } = new URL(request.url);
        const parts = readParts(path, extension ? removeEnd(pathname, extension) : pathname);
        const target = fillPath(newPath, parts);
        const headers = new Headers(request.headers);
        headers.delete("content-length");
        headers.set("traceparent", writeTraceparent(traceOf(request)));
        if (owner !== undefined) headers.delete("if-none-match"); // whose it is stands in the body
        if (unconditional && !headers.has("if-match")) headers.set("if-match", "*");
        const asked = new Request(`http://localhost${target}${search}`, {
          method: newMethod,
          headers,
          signal: request.signal,
          ...(given != null && { body: JSON.stringify(given) }),
        });
        setPeer(asked, server?.requestIP(request)?.address);
        const answer = await handle(asked);
        if (owner !== undefined && answer.ok) await requireOwner(db, { answer, name: parts.get(owner) ?? "" });
        const told = new Response(answer.body, answer);
        told.headers.set("deprecation", deprecatedSince);
        told.headers.append("link", `<${target}>; rel="successor-version"`);
        return told;
      },
      {
        ...(body && { body: t.Optional(body) }),
        detail: { deprecated: true, summary: `Old address of ${newMethod} ${newPath}` },
      },
    );
  }
  return app;
}

/** 404, as for what is not there, unless the thing that is answered belongs to that user. */
async function requireOwner(db: Db, { answer, name }: { answer: Response; name: string }): Promise<void> {
  const told: unknown = await answer.clone().json();
  const user = await findShownProfile(db, name);
  if (!Value.Check(Owned, told) || told.owner !== user?.login)
    throw new Fault("not-found", "There is no such image that you may see");
}

/** What stands in a path for each `:name` of its pattern, as it was sent. */
function readParts(pattern: string, pathname: string): Map<string, string> {
  const parts = pathname.split("/");
  return new Map(pattern.split("/").map((name, index) => [name, parts[index] ?? ""]));
}

function fillPath(pattern: string, parts: Map<string, string>): string {
  const filled = pattern.split("/").map((name) => (name.startsWith(":") ? (parts.get(name) ?? "") : name));
  return filled.join("/");
}

function removeEnd(text: string, end: string): string {
  return text.endsWith(end) ? text.slice(0, -end.length) : text;
}
