import { Fault } from "../fault.ts";
import type { Caller } from "./tokens.ts";

/** What a limited token may be given. `:write` includes `:read`. */
export const scopes = [
  "packs:read",
  "packs:write",
  "files:read",
  "files:write",
  "events:read",
  "events:write",
  "account:read",
  "account:write",
  "admin",
] as const;
export type Scope = (typeof scopes)[number];

/**
 * What only clients that sign people in are given: who he is (OpenID Connect Core 1.0, 5.4), a refresh token (11), and one of
 * his players to play with (Yggdrasil Connect, a draft of authlib-injector's).
 */
export const identityScopes = [
  "openid",
  "profile",
  "email",
  "offline_access",
  "Yggdrasil.PlayerProfiles.Select",
  "Yggdrasil.Server.Join",
] as const;

/** Which area an address belongs to. What is in none is closed to limited tokens. */
const areas: [prefix: string, area: string][] = [
  ["/v1/packs", "packs"],
  ["/v1/analytics", "packs"],
  ["/v1/uploads", "packs"],
  ["/v1/blobs", "packs"],
  ["/v1/jobs", "packs"],
  ["/solder", "packs"],
  ["/helios", "packs"],
  ["/p", "packs"],
  ["/hmcl", "packs"],
  ["/modrinth", "packs"],
  ["/v1/files", "files"],
  ["/v1/images", "files"],
  ["/v1/albums", "files"],
  ["/v1/shares", "files"],
  ["/v1/upload", "files"],
  ["/v1/me/images", "files"],
  ["/v1/me/albums", "files"],
  ["/v1/events", "events"],
  ["/v1/registrations", "events"],
  ["/v1/me/calendar", "events"],
  ["/v1/me/registrations", "events"],
  ["/v1/me", "account"],
  ["/v1/players", "account"],
  ["/v1/organizations", "account"],
  ["/v1/invitations", "account"],
  ["/v1/reports", "account"],
  ["/v1/auth/sessions", "account"],
  ["/v1/auth/verify", "account"],
  ["/v1/ops", "admin"],
  ["/v1/users", "admin"],
  ["/v1/invites", "admin"],
  ["/ops", "admin"],
  ["/oauth/userinfo", "openid"],
];

/** POSTs that change nothing begin with one of these. */
const readingPosts = ["/modrinth/", "/v1/blobs/urls", "/v1/blobs/bundle", "/v1/shares/open", "/v1/analytics/events"];

/** 403 when a limited token is used for something that it was not given. */
export function requireScope({ scopes: given }: Caller, request: Request): void {
  if (given === null) return;
  const { pathname } = new URL(request.url);
  const area = areas.find(([prefix]) => pathname === prefix || pathname.startsWith(`${prefix}/`))?.[1];
  const reads = ["GET", "HEAD"].includes(request.method) || readingPosts.some((path) => pathname.startsWith(path));
  const wanted =
    area === "admin" || area === "openid" ? [area] : reads ? [`${area}:read`, `${area}:write`] : [`${area}:write`];
  if (area !== undefined && wanted.some((scope) => given.includes(scope))) return;
  throw new Fault(
    "not-allowed",
    `Not allowed: this token has not got the scope ${area === undefined ? "for this" : wanted.at(0)}`,
    { extra: { reason: "insufficient-scope" } },
  );
}
