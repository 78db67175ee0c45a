import { sha256 } from "./harness.ts";

/** Who calls, as seen from a private pack and its owner's other things. */
export const actors = [
  "anonymous",
  "stranger",
  "reader",
  "publisher",
  "maintainer",
  "owner",
  "operator",
  "admin",
] as const;
export type Actor = (typeof actors)[number];

/** What a call is made of: a private pack with a published version, a draft, a share link, and a gallery of it with a link, and its owner's file, image, upload and job. */
export type Fixture = {
  slug: string;
  published: string;
  draft: string;
  sha256: string;
  sizeBytes: number;
  fileId: string;
  imageId: string;
  albumId: string;
  shareId: string;
  linkId: string;
  uploadId: string;
  jobId: string;
};
export type Request = { path: string; body?: unknown; headers?: Record<string, string> };
export type Route = {
  request: (fixture: Fixture) => Request;
  /** The status that each actor gets. */
  expected: Record<Actor, number>;
  /** Whether it changes things: then whoever may gets a fixture of his own. */
  changes?: boolean;
  /** Whether those who may not see the thing get what they would get if it were not there. Not asked where nothing is named. */
  names?: "slug" | "fileId" | "imageId" | "albumId" | "uploadId" | "jobId" | "sha256";
};

type Ranks = "reader" | "publisher" | "maintainer" | "owner";
const ranks: readonly Actor[] = ["reader", "publisher", "maintainer", "owner"];

/** Readable by those who may see the pack; not there for anybody else. An operator looks after the server, not into packs. */
const readable = (status: number): Record<Actor, number> => ({
  anonymous: 404,
  stranger: 404,
  operator: 404,
  reader: status,
  publisher: status,
  maintainer: status,
  owner: status,
  admin: status,
});

/** For members from that rank up; those below are told so when they may see the pack. */
function from(rank: Ranks, status: number): Record<Actor, number> {
  const at = (actor: Ranks) => (ranks.indexOf(actor) >= ranks.indexOf(rank) ? status : 403);
  return {
    anonymous: 401,
    stranger: 404,
    operator: 404,
    reader: at("reader"),
    publisher: at("publisher"),
    maintainer: at("maintainer"),
    owner: at("owner"),
    admin: status,
  };
}

/** One answer for everybody who signed in, since it is about the caller's own things. */
const signedIn = (status: number): Record<Actor, number> => ({ ...everybody(status), anonymous: 401 });

/** For the role admin: the others are told so. */
const ofAdmins = (status: number): Record<Actor, number> => ({ ...signedIn(403), admin: status });

/** For the roles admin and ops. */
const ofOperators = (status: number): Record<Actor, number> => ({ ...ofAdmins(status), operator: status });

function everybody(status: number): Record<Actor, number> {
  return {
    anonymous: status,
    stranger: status,
    reader: status,
    publisher: status,
    maintainer: status,
    owner: status,
    operator: status,
    admin: status,
  };
}

/** The owner's and the admins' own; nobody else's. `anonymous`: 401 where an account is needed in any case. */
const own = (status: number, anonymous: number): Record<Actor, number> => ({
  ...everybody(404),
  anonymous,
  owner: status,
  admin: status,
});

/** A job of publishing: for those who work on the pack and those who look after the server. */
const ofWhoWorksOnIt: Record<Actor, number> = {
  ...everybody(200),
  anonymous: 404,
  stranger: 404,
  reader: 404,
};

const pack =
  (rest = "") =>
  ({ slug }: Fixture) => ({ path: `/v1/packs/${slug}${rest}` });
const published =
  (rest: string, body?: unknown) =>
  ({ slug, published }: Fixture) => ({
    path: `/v1/packs/${slug}/versions/${published}${rest}`,
    ...(body !== undefined && { body }),
  });
const album =
  (rest = "") =>
  ({ albumId }: Fixture) => ({ path: `/v1/albums/${albumId}${rest}` });
const anyMatch = { "if-match": '"1"' };

/** Every route that answers about packs, files, uploads, bytes and jobs, and who may use it. */
export const routes: Record<string, Route> = {
  "GET /v1/packs/:slug": { request: pack(), expected: readable(200), names: "slug" },
  "PATCH /v1/packs/:slug": {
    request: ({ slug }) => ({ path: `/v1/packs/${slug}`, body: { summary: "changed" }, headers: anyMatch }),
    expected: from("maintainer", 200),
    changes: true,
    names: "slug",
  },
  "DELETE /v1/packs/:slug": {
    request: ({ slug }) => ({ path: `/v1/packs/${slug}`, body: { slug } }),
    expected: from("owner", 204),
    changes: true,
    names: "slug",
  },
  "GET /v1/packs/:slug/badge.svg": { request: pack("/badge.svg"), expected: readable(200), names: "slug" },
  "GET /v1/packs/:slug/access": { request: pack("/access"), expected: from("maintainer", 200), names: "slug" },
  "PUT /v1/packs/:slug/access": {
    request: ({ slug }) => ({ path: `/v1/packs/${slug}/access`, body: { users: ["stranger"], roles: [] } }),
    expected: from("maintainer", 200),
    changes: true,
    names: "slug",
  },
  "GET /v1/packs/:slug/members": { request: pack("/members"), expected: from("publisher", 200), names: "slug" },
  "PUT /v1/packs/:slug/members": {
    request: ({ slug }) => ({ path: `/v1/packs/${slug}/members`, body: { login: "stranger", role: "maintainer" } }),
    expected: from("owner", 200),
    changes: true,
    names: "slug",
  },
  "DELETE /v1/packs/:slug/members/:login": {
    request: pack("/members/publisher"),
    // A publisher may leave by himself.
    expected: { ...from("owner", 204), publisher: 204 },
    changes: true,
    names: "slug",
  },
  "GET /v1/packs/:slug/latest": { request: pack("/latest"), expected: readable(200), names: "slug" },
  "GET /v1/packs/:slug/files.json": { request: pack("/files.json"), expected: readable(200), names: "slug" },
  "GET /v1/packs/:slug/versions": { request: pack("/versions"), expected: readable(200), names: "slug" },
  "POST /v1/packs/:slug/versions": {
    request: ({ slug, sha256, sizeBytes }) => ({
      path: `/v1/packs/${slug}/versions`,
      body: {
        version: "9.0.0",
        channel: "release",
        minecraft: "1.21.1",
        loader: null,
        files: [{ path: "a.jar", sha256, size: sizeBytes, side: "both" }],
      },
    }),
    expected: from("publisher", 201),
    changes: true,
    names: "slug",
  },
  "GET /v1/packs/:slug/diff/:from/:to": {
    request: ({ slug, published }) => ({ path: `/v1/packs/${slug}/diff/${published}/${published}` }),
    expected: readable(200),
    names: "slug",
  },
  "GET /v1/packs/:slug/versions/:version": { request: published(""), expected: readable(200), names: "slug" },
  "PATCH /v1/packs/:slug/versions/:version": {
    request: ({ slug, draft }) => ({
      path: `/v1/packs/${slug}/versions/${draft}`,
      body: { changelog: "changed" },
      headers: anyMatch,
    }),
    expected: from("publisher", 200),
    changes: true,
    names: "slug",
  },
  "DELETE /v1/packs/:slug/versions/:version": {
    request: ({ slug, draft }) => ({ path: `/v1/packs/${slug}/versions/${draft}` }),
    expected: from("publisher", 204),
    changes: true,
    names: "slug",
  },
  "POST /v1/packs/:slug/versions/:version/publish": {
    request: ({ slug, draft }) => ({ path: `/v1/packs/${slug}/versions/${draft}/publish` }),
    expected: from("publisher", 202),
    changes: true,
    names: "slug",
  },
  "DELETE /v1/packs/:slug/versions/:version/publish": {
    request: ({ slug, draft }) => ({ path: `/v1/packs/${slug}/versions/${draft}/publish` }),
    expected: from("publisher", 409),
    names: "slug",
  },
  "GET /v1/packs/:slug/versions/:version/manifest.sig": {
    request: published("/manifest.sig"),
    expected: readable(200),
    names: "slug",
  },
  "GET /v1/packs/:slug/versions/:version/manifest": {
    request: published("/manifest"),
    expected: readable(200),
    names: "slug",
  },
  "GET /v1/packs/:slug/versions/:version/verify": {
    request: published("/verify"),
    expected: readable(200),
    names: "slug",
  },
  "GET /v1/packs/:slug/versions/:version/archive": {
    request: published("/archive?format=zip"),
    expected: readable(202),
    changes: true,
    names: "slug",
  },
  "POST /v1/packs/:slug/versions/:version/yank": {
    request: published("/yank"),
    expected: from("publisher", 200),
    changes: true,
    names: "slug",
  },
  "POST /v1/packs/:slug/versions/:version/unyank": {
    request: published("/unyank"),
    expected: from("publisher", 200),
    changes: true,
    names: "slug",
  },
  "POST /v1/packs/:slug/versions/:version/withdraw": {
    request: published("/withdraw", { reason: "broken" }),
    expected: from("owner", 204),
    changes: true,
    names: "slug",
  },
  "GET /v1/packs/:slug/clients": { request: pack("/clients"), expected: from("maintainer", 200), names: "slug" },
  "GET /v1/packs/:slug/clients/:uuid": {
    request: ({ slug }) => ({ path: `/v1/packs/${slug}/clients/${someId}` }),
    expected: from("maintainer", 404),
  },
  "PUT /v1/packs/:slug/clients/:uuid": {
    request: ({ slug }) => ({ path: `/v1/packs/${slug}/clients/${someId}`, body: { name: "x" } }),
    expected: from("maintainer", 200),
    changes: true,
    names: "slug",
  },
  "DELETE /v1/packs/:slug/clients/:uuid": {
    request: ({ slug }) => ({ path: `/v1/packs/${slug}/clients/${someId}` }),
    expected: from("maintainer", 404),
  },
  "GET /v1/packs/:slug/links": { request: pack("/links"), expected: from("maintainer", 200), names: "slug" },
  "POST /v1/packs/:slug/links": {
    request: ({ slug }) => ({ path: `/v1/packs/${slug}/links`, body: {} }),
    expected: from("maintainer", 201),
    changes: true,
    names: "slug",
  },
  "DELETE /v1/packs/:slug/links/:id": {
    request: ({ slug, linkId }) => ({ path: `/v1/packs/${slug}/links/${linkId}` }),
    expected: from("maintainer", 204),
    changes: true,
    names: "slug",
  },
  "GET /v1/blobs/:sha256": {
    request: ({ sha256 }) => ({ path: `/v1/blobs/${sha256}` }),
    expected: readable(307),
    names: "sha256",
  },
  "HEAD /v1/blobs/:sha256": {
    request: ({ sha256 }) => ({ path: `/v1/blobs/${sha256}` }),
    expected: readable(307),
    names: "sha256",
  },
  "GET /v1/files/:id": {
    request: ({ fileId }) => ({ path: `/v1/files/${fileId}` }),
    expected: own(200, 404),
    names: "fileId",
  },
  "PATCH /v1/files/:id": {
    request: ({ fileId }) => ({ path: `/v1/files/${fileId}`, body: { name: "changed" }, headers: anyMatch }),
    expected: own(200, 401),
    changes: true,
    names: "fileId",
  },
  "DELETE /v1/files/:id": {
    request: ({ fileId }) => ({ path: `/v1/files/${fileId}` }),
    expected: own(204, 401),
    changes: true,
    names: "fileId",
  },
  "GET /v1/files/:id/content": {
    request: ({ fileId }) => ({ path: `/v1/files/${fileId}/content` }),
    expected: own(307, 404),
    names: "fileId",
  },
  "HEAD /v1/files/:id/content": {
    request: ({ fileId }) => ({ path: `/v1/files/${fileId}/content` }),
    expected: own(307, 404),
    names: "fileId",
  },
  // A private picture whose bytes have not arrived: 409.
  "GET /v1/images/:id": {
    request: ({ imageId }) => ({ path: `/v1/images/${imageId}` }),
    expected: own(200, 404),
    names: "imageId",
  },
  "PATCH /v1/images/:id": {
    request: ({ imageId }) => ({ path: `/v1/images/${imageId}`, body: { caption: "changed" }, headers: anyMatch }),
    expected: own(200, 401),
    changes: true,
    names: "imageId",
  },
  "DELETE /v1/images/:id": {
    request: ({ imageId }) => ({ path: `/v1/images/${imageId}` }),
    expected: own(204, 401),
    changes: true,
    names: "imageId",
  },
  "POST /v1/images/:id/complete": {
    request: ({ imageId }) => ({ path: `/v1/images/${imageId}/complete` }),
    expected: { ...own(409, 401), admin: 404 },
    names: "imageId",
  },
  "GET /v1/images/:id/:variant": {
    request: ({ imageId }) => ({ path: `/v1/images/${imageId}/thumb` }),
    expected: own(409, 404),
    names: "imageId",
  },
  "HEAD /v1/images/:id/:variant": {
    request: ({ imageId }) => ({ path: `/v1/images/${imageId}/original` }),
    expected: own(409, 404),
    names: "imageId",
  },
  "GET /v1/packs/:slug/albums": { request: pack("/albums"), expected: readable(200), names: "slug" },
  "GET /v1/albums/:id": { request: album(), expected: readable(200), names: "albumId" },
  "PATCH /v1/albums/:id": {
    request: ({ albumId }) => ({ path: `/v1/albums/${albumId}`, body: { title: "changed" }, headers: anyMatch }),
    expected: from("maintainer", 200),
    changes: true,
    names: "albumId",
  },
  "DELETE /v1/albums/:id": {
    request: album(),
    expected: from("maintainer", 204),
    changes: true,
    names: "albumId",
  },
  "DELETE /v1/albums/:id/images/:image": {
    request: ({ albumId, imageId }) => ({ path: `/v1/albums/${albumId}/images/${imageId}` }),
    expected: from("maintainer", 204),
    changes: true,
    names: "albumId",
  },
  "GET /v1/albums/:id/images": { request: album("/images"), expected: readable(200), names: "albumId" },
  // 409: there is nothing in it.
  "POST /v1/albums/:id/archive": { request: album("/archive"), expected: readable(409), names: "albumId" },
  "GET /v1/albums/:id/archive": { request: album("/archive"), expected: everybody(404) },
  "GET /v1/albums/:id/shares": { request: album("/shares"), expected: from("maintainer", 200), names: "albumId" },
  "POST /v1/albums/:id/shares": {
    request: ({ albumId }) => ({ path: `/v1/albums/${albumId}/shares`, body: {} }),
    expected: from("maintainer", 201),
    changes: true,
    names: "albumId",
  },
  "DELETE /v1/albums/:id/shares/:share": {
    request: ({ albumId, shareId }) => ({ path: `/v1/albums/${albumId}/shares/${shareId}` }),
    expected: from("maintainer", 204),
    changes: true,
    names: "albumId",
  },
  "GET /v1/uploads/:id": {
    request: ({ uploadId }) => ({ path: `/v1/uploads/${uploadId}` }),
    expected: { ...own(200, 401), admin: 404 },
    names: "uploadId",
  },
  "POST /v1/uploads/:id/complete": {
    request: ({ uploadId }) => ({ path: `/v1/uploads/${uploadId}/complete` }),
    // 409: its bytes have not arrived.
    expected: { ...own(409, 401), admin: 404 },
    names: "uploadId",
  },
  "GET /v1/jobs/:id": {
    request: ({ jobId }) => ({ path: `/v1/jobs/${jobId}` }),
    expected: ofWhoWorksOnIt,
    names: "jobId",
  },
  "GET /v1/jobs/:id/events": {
    request: ({ jobId }) => ({ path: `/v1/jobs/${jobId}/events` }),
    expected: ofWhoWorksOnIt,
    names: "jobId",
  },
};

const someId = "00000000-0000-7000-8000-000000000000";
const nobodys = (rest: string, body?: unknown) => () => ({
  path: `/v1/organizations/no-such-one${rest}`,
  ...(body !== undefined && { body }),
});

const newEvent = {
  title: { en: "An event of the table" },
  place: { kind: "online" },
  startsAt: "2126-01-01T19:00",
  endsAt: "2126-01-01T21:00",
  timeZone: "Europe/Moscow",
};
const noEvent = (rest: string, body?: unknown) => () => ({
  path: `/v1/events/no-such-one${rest}`,
  ...(body !== undefined && { body }),
});

/** The routes of webhooks below an address: of one that is not there. */
function webhookRoutes(route: string, path: string, { list, make }: { list: number; make: number }) {
  const one = () => `${path}/${Bun.randomUUIDv7()}`;
  const webhook = { name: "x", url: "https://hooks.example/x", kinds: ["version.published"] };
  const call = (to: () => string, more: Omit<Request, "path"> = {}) => ({
    request: () => ({ path: to(), ...more }),
    expected: signedIn(404),
  });
  return {
    [`GET ${route}`]: { request: () => ({ path }), expected: signedIn(list) },
    [`POST ${route}`]: { request: () => ({ path, body: webhook }), expected: signedIn(make) },
    [`GET ${route}/:id`]: call(one),
    [`PATCH ${route}/:id`]: call(one, { body: { name: "y" }, headers: anyMatch }),
    [`DELETE ${route}/:id`]: call(one),
    [`POST ${route}/:id/secret`]: call(() => `${one()}/secret`),
    [`POST ${route}/:id/test`]: call(() => `${one()}/test`),
    [`GET ${route}/:id/deliveries`]: call(() => `${one()}/deliveries`),
    [`POST ${route}/:id/deliveries/:delivery/replay`]: call(() => `${one()}/deliveries/${Bun.randomUUIDv7()}/replay`),
  };
}

/** Routes about nothing that is somebody's: a list shows what its caller may see, a creating route makes his own. */
export const general: Record<string, Omit<Route, "names">> = {
  "GET /v1/packs": { request: () => ({ path: "/v1/packs?limit=100" }), expected: everybody(200) },
  "POST /v1/packs": {
    request: () => ({ path: "/v1/packs", body: { slug: `new-${Bun.randomUUIDv7().slice(-12)}`, name: "new" } }),
    expected: signedIn(201),
  },
  "GET /v1/files": { request: () => ({ path: "/v1/files?limit=100" }), expected: everybody(200) },
  "POST /v1/files": {
    request: () => ({ path: "/v1/files", body: { sha256: sha256("bytes that nobody has"), name: "x" } }),
    expected: signedIn(422),
  },
  "POST /v1/images": {
    request: () => ({ path: "/v1/images", body: { sha256: sha256(Bun.randomUUIDv7()), size: 3, name: "x.png" } }),
    expected: signedIn(201),
  },
  "POST /v1/albums": { request: () => ({ path: "/v1/albums", body: { title: "new" } }), expected: signedIn(201) },
  "GET /v1/me/albums": { request: () => ({ path: "/v1/me/albums" }), expected: signedIn(200) },
  "GET /v1/users/:id/albums": {
    request: () => ({ path: "/v1/users/nobody-here/albums" }),
    expected: everybody(404),
  },
  "POST /v1/shares/open": {
    request: () => ({ path: "/v1/shares/open", body: { token: "no token of ours" } }),
    expected: everybody(404),
  },
  // 400: it takes a form.
  "POST /v1/upload": { request: () => ({ path: "/v1/upload" }), expected: signedIn(400) },
  "GET /v1/me/images": { request: () => ({ path: "/v1/me/images" }), expected: signedIn(200) },
  "GET /v1/users/:id/images": {
    request: () => ({ path: "/v1/users/nobody-here/images" }),
    expected: everybody(404),
  },
  "POST /v1/uploads": {
    request: () => ({ path: "/v1/uploads", body: { sha256: sha256(Bun.randomUUIDv7()), size: 3, name: "x" } }),
    expected: signedIn(201),
  },
  "POST /v1/blobs/bundle": {
    request: ({ sha256 }) => ({ path: "/v1/blobs/bundle", body: { sha256: [sha256] } }),
    expected: everybody(200),
  },
  "POST /v1/blobs/urls": {
    request: ({ sha256 }) => ({ path: "/v1/blobs/urls", body: { sha256: [sha256] } }),
    expected: everybody(200),
  },
  // Whoever calls has just signed up; nobody here has a second factor to confirm or to remove.
  "POST /v1/me/totp": { request: () => ({ path: "/v1/me/totp" }), expected: signedIn(201) },
  "GET /v1/me": { request: () => ({ path: "/v1/me" }), expected: signedIn(200) },
  "PATCH /v1/me": {
    request: () => ({ path: "/v1/me", body: { bio: "plays" }, headers: { "if-match": "*" } }),
    expected: signedIn(200),
  },
  "DELETE /v1/me": {
    request: () => ({ path: "/v1/me", body: { password: "not his password" } }),
    expected: signedIn(403),
  },
  "GET /v1/me/preferences": { request: () => ({ path: "/v1/me/preferences" }), expected: signedIn(200) },
  "PATCH /v1/me/preferences": {
    request: () => ({ path: "/v1/me/preferences", body: { theme: "dark" } }),
    expected: signedIn(200),
  },
  "GET /v1/me/activity": { request: () => ({ path: "/v1/me/activity" }), expected: signedIn(200) },
  "GET /v1/me/tokens": { request: () => ({ path: "/v1/me/tokens" }), expected: signedIn(200) },
  "POST /v1/me/tokens": {
    request: () => ({ path: "/v1/me/tokens", body: { name: "ci", scopes: ["packs:read"], expiresInDays: 1 } }),
    expected: signedIn(201),
  },
  "DELETE /v1/me/tokens/:id": {
    request: () => ({ path: `/v1/me/tokens/${Bun.randomUUIDv7()}` }),
    expected: signedIn(404),
  },
  "GET /v1/me/app-passwords": { request: () => ({ path: "/v1/me/app-passwords" }), expected: signedIn(200) },
  "POST /v1/me/app-passwords": {
    request: () => ({ path: "/v1/me/app-passwords", body: { name: "launcher" } }),
    expected: signedIn(201),
  },
  "DELETE /v1/me/app-passwords/:id": {
    request: () => ({ path: `/v1/me/app-passwords/${someId}` }),
    expected: signedIn(404),
  },
  "GET /v1/players/:player": { request: () => ({ path: "/v1/players/Nobody_here" }), expected: everybody(404) },
  "GET /textures/:sha256": {
    request: () => ({ path: `/textures/${sha256("worn by nobody")}` }),
    expected: everybody(404),
  },
  "HEAD /textures/:sha256": {
    request: () => ({ path: `/textures/${sha256("worn by nobody")}` }),
    expected: everybody(404),
  },
  "GET /v1/me/players": { request: () => ({ path: "/v1/me/players" }), expected: signedIn(200) },
  "POST /v1/me/players": {
    request: () => ({ path: "/v1/me/players", body: { name: `P_${Math.random().toString(36).slice(2, 12)}` } }),
    expected: signedIn(201),
  },
  "GET /v1/me/players/:id": { request: () => ({ path: `/v1/me/players/${someId}` }), expected: signedIn(404) },
  "PATCH /v1/me/players/:id": {
    request: () => ({ path: `/v1/me/players/${someId}`, body: { model: "slim" } }),
    expected: signedIn(404),
  },
  "DELETE /v1/me/players/:id": { request: () => ({ path: `/v1/me/players/${someId}` }), expected: signedIn(404) },
  // 400: they take a PNG.
  "PUT /v1/me/players/:id/skin": {
    request: () => ({ path: `/v1/me/players/${someId}/skin` }),
    expected: signedIn(400),
  },
  "PUT /v1/me/players/:id/cape": {
    request: () => ({ path: `/v1/me/players/${someId}/cape` }),
    expected: signedIn(400),
  },
  "DELETE /v1/me/players/:id/skin": {
    request: () => ({ path: `/v1/me/players/${someId}/skin` }),
    expected: signedIn(404),
  },
  "DELETE /v1/me/players/:id/cape": {
    request: () => ({ path: `/v1/me/players/${someId}/cape` }),
    expected: signedIn(404),
  },
  // 422: there is no such picture of his.
  "PUT /v1/me/avatar": {
    request: () => ({ path: "/v1/me/avatar", body: { image: Bun.randomUUIDv7() } }),
    expected: signedIn(422),
  },
  "DELETE /v1/me/avatar": { request: () => ({ path: "/v1/me/avatar" }), expected: signedIn(204) },
  "GET /v1/users/:id/avatar/:size": {
    request: () => ({ path: "/v1/users/nobody-here/avatar/64" }),
    expected: everybody(404),
  },
  "HEAD /v1/users/:id/avatar/:size": {
    request: () => ({ path: "/v1/users/nobody-here/avatar/64" }),
    expected: everybody(404),
  },
  "GET /v1/users": { request: () => ({ path: "/v1/users" }), expected: ofAdmins(200) },
  "GET /v1/users/:id": { request: () => ({ path: "/v1/users/nobody-here" }), expected: everybody(404) },
  "PATCH /v1/users/:id": {
    request: () => ({ path: `/v1/users/${Bun.randomUUIDv7()}`, body: { roles: [] } }),
    expected: ofAdmins(404),
  },
  "GET /v1/auth/oidc": { request: () => ({ path: "/v1/auth/oidc" }), expected: everybody(200) },
  "GET /v1/me/identities": { request: () => ({ path: "/v1/me/identities" }), expected: signedIn(200) },
  // No provider is configured here, so that there is nothing to link.
  "POST /v1/me/identities/:provider": { request: () => ({ path: "/v1/me/identities/none" }), expected: signedIn(404) },
  "DELETE /v1/me/identities/:provider": {
    request: () => ({ path: "/v1/me/identities/none" }),
    expected: signedIn(404),
  },
  "GET /v1/auth/sessions": { request: () => ({ path: "/v1/auth/sessions" }), expected: signedIn(200) },
  "GET /v1/auth/verify": { request: () => ({ path: "/v1/auth/verify" }), expected: signedIn(204) },
  // 409: the accounts of the table have no address.
  "POST /v1/auth/email/send": {
    request: () => ({ path: "/v1/auth/email/send", body: {} }),
    expected: signedIn(409),
  },
  // 403: a wrong password.
  "PUT /v1/me/password": {
    request: () => ({ path: "/v1/me/password", body: { current: "not it", password: "a long other password" } }),
    expected: signedIn(403),
  },
  "GET /v1/invites": { request: () => ({ path: "/v1/invites" }), expected: ofAdmins(200) },
  "POST /v1/invites": { request: () => ({ path: "/v1/invites", body: {} }), expected: ofAdmins(201) },
  "DELETE /v1/invites/:id": {
    request: () => ({ path: `/v1/invites/${Bun.randomUUIDv7()}` }),
    expected: ofAdmins(404),
  },
  // Somebody's session by its id is not there for anybody else.
  "DELETE /v1/auth/sessions/:id": {
    request: () => ({ path: `/v1/auth/sessions/${Bun.randomUUIDv7()}` }),
    expected: signedIn(404),
  },
  // Events that are not there; flows/events has those that are.
  "GET /v1/events": { request: () => ({ path: "/v1/events?query=hidden" }), expected: everybody(200) },
  "POST /v1/events": { request: () => ({ path: "/v1/events", body: newEvent }), expected: ofAdmins(201) },
  "GET /v1/events/:slug": { request: noEvent(""), expected: everybody(404) },
  "PATCH /v1/events/:slug": {
    request: () => ({ path: "/v1/events/no-such-one", body: { title: { en: "x" } }, headers: anyMatch }),
    expected: signedIn(404),
  },
  "DELETE /v1/events/:slug": { request: noEvent(""), expected: signedIn(404) },
  "POST /v1/events/:slug/publish": { request: noEvent("/publish"), expected: signedIn(404) },
  "POST /v1/events/:slug/cancel": { request: noEvent("/cancel", {}), expected: signedIn(404) },
  "POST /v1/events/:slug/duplicate": {
    request: noEvent("/duplicate", { startsAt: newEvent.startsAt }),
    expected: signedIn(404),
  },
  "GET /v1/events/:slug/occurrences": { request: noEvent("/occurrences"), expected: everybody(404) },
  "PATCH /v1/events/:slug/occurrences/:id": {
    request: () => ({
      path: `/v1/events/no-such-one/occurrences/${Bun.randomUUIDv7()}`,
      body: { cancelled: true },
      headers: anyMatch,
    }),
    expected: signedIn(404),
  },
  "GET /v1/events/:slug/albums": { request: noEvent("/albums"), expected: everybody(404) },
  "GET /v1/events/:slug/availability": { request: noEvent("/availability"), expected: everybody(404) },
  // Organizations that are not there; flows/organizations has those that are.
  "GET /v1/organizations": { request: () => ({ path: "/v1/organizations" }), expected: everybody(200) },
  "POST /v1/organizations": {
    request: () => ({
      path: "/v1/organizations",
      body: { slug: `new-${Bun.randomUUIDv7().slice(-12)}`, name: "new" },
    }),
    expected: signedIn(201),
  },
  "GET /v1/organizations/:slug": { request: nobodys(""), expected: everybody(404) },
  "GET /v1/organizations/:slug/albums": { request: nobodys("/albums"), expected: everybody(404) },
  "PATCH /v1/organizations/:slug": {
    request: () => ({ path: "/v1/organizations/no-such-one", body: { name: "x" }, headers: anyMatch }),
    expected: signedIn(404),
  },
  "DELETE /v1/organizations/:slug": { request: nobodys("", { slug: "no-such-one" }), expected: signedIn(404) },
  "GET /v1/organizations/:slug/members": { request: nobodys("/members"), expected: everybody(404) },
  "PATCH /v1/organizations/:slug/members/:userId": {
    request: nobodys(`/members/${someId}`, { role: "manager" }),
    expected: signedIn(404),
  },
  "DELETE /v1/organizations/:slug/members/:userId": {
    request: nobodys(`/members/${someId}`),
    expected: signedIn(404),
  },
  "GET /v1/organizations/:slug/invitations": { request: nobodys("/invitations"), expected: signedIn(404) },
  "POST /v1/organizations/:slug/invitations": {
    request: nobodys("/invitations", { link: true }),
    expected: signedIn(404),
  },
  "DELETE /v1/organizations/:slug/invitations/:id": {
    request: nobodys(`/invitations/${someId}`),
    expected: signedIn(404),
  },
  "GET /v1/organizations/:slug/transfer": { request: nobodys("/transfer"), expected: signedIn(404) },
  "POST /v1/organizations/:slug/transfer": {
    request: nobodys("/transfer", { login: "reader" }),
    expected: signedIn(404),
  },
  "DELETE /v1/organizations/:slug/transfer": { request: nobodys("/transfer"), expected: signedIn(404) },
  "POST /v1/organizations/:slug/transfer/accept": { request: nobodys("/transfer/accept"), expected: signedIn(404) },
  "POST /v1/organizations/:slug/transfer/decline": { request: nobodys("/transfer/decline"), expected: signedIn(404) },
  "GET /v1/me/invitations": { request: () => ({ path: "/v1/me/invitations" }), expected: signedIn(200) },
  "POST /v1/me/invitations/:id/accept": {
    request: () => ({ path: `/v1/me/invitations/${someId}/accept` }),
    expected: signedIn(404),
  },
  "POST /v1/me/invitations/:id/decline": {
    request: () => ({ path: `/v1/me/invitations/${someId}/decline` }),
    expected: signedIn(404),
  },
  "POST /v1/invitations/accept": {
    request: () => ({ path: "/v1/invitations/accept", body: { token: "not one of ours" } }),
    expected: signedIn(422),
  },
  // Of notifications nobody here has any; flows/notifications has those that are there.
  "GET /v1/me/notifications": { request: () => ({ path: "/v1/me/notifications" }), expected: signedIn(200) },
  "POST /v1/me/notifications/read": {
    request: () => ({ path: "/v1/me/notifications/read", body: { all: true } }),
    expected: signedIn(200),
  },
  "GET /v1/me/notifications/:id/deliveries": {
    request: () => ({ path: `/v1/me/notifications/${Bun.randomUUIDv7()}/deliveries` }),
    expected: signedIn(404),
  },
  "GET /v1/me/notification-preferences": {
    request: () => ({ path: "/v1/me/notification-preferences" }),
    expected: signedIn(200),
  },
  "PATCH /v1/me/notification-preferences": {
    request: () => ({ path: "/v1/me/notification-preferences", body: { digest: "off" } }),
    expected: signedIn(200),
  },
  "PUT /v1/me/muted-events/:slug": {
    request: () => ({ path: "/v1/me/muted-events/no-such-one" }),
    expected: signedIn(404),
  },
  "DELETE /v1/me/muted-events/:slug": {
    request: () => ({ path: "/v1/me/muted-events/no-such-one" }),
    expected: signedIn(204),
  },
  "GET /v1/ops/logs": { request: () => ({ path: "/v1/ops/logs" }), expected: ofOperators(200) },
  "GET /v1/ops/deliveries": {
    request: () => ({ path: "/v1/ops/deliveries" }),
    expected: { ...ofAdmins(200), operator: 200 },
  },
  "GET /v1/notifications/unsubscribe/:token": {
    request: () => ({ path: "/v1/notifications/unsubscribe/no-token-of-ours" }),
    expected: everybody(404),
  },
  "POST /v1/notifications/unsubscribe/:token": {
    request: () => ({ path: "/v1/notifications/unsubscribe/no-token-of-ours" }),
    expected: everybody(404),
  },
  "GET /v1/me/push-subscriptions": { request: () => ({ path: "/v1/me/push-subscriptions" }), expected: signedIn(200) },
  "POST /v1/me/push-subscriptions": {
    request: () => ({
      path: "/v1/me/push-subscriptions",
      body: { endpoint: "https://push.example/x", keys: { p256dh: "A".repeat(87), auth: "A".repeat(22) } },
    }),
    expected: signedIn(201),
  },
  "DELETE /v1/me/push-subscriptions/:id": {
    request: () => ({ path: `/v1/me/push-subscriptions/${Bun.randomUUIDv7()}` }),
    expected: signedIn(404),
  },
  "GET /v1/me/telegram": { request: () => ({ path: "/v1/me/telegram" }), expected: signedIn(200) },
  // 501: this server has no bot.
  "POST /v1/me/telegram": { request: () => ({ path: "/v1/me/telegram" }), expected: signedIn(501) },
  "DELETE /v1/me/telegram": { request: () => ({ path: "/v1/me/telegram" }), expected: signedIn(204) },
  ...webhookRoutes("/v1/me/webhooks", "/v1/me/webhooks", { list: 200, make: 201 }),
  ...webhookRoutes("/v1/packs/:slug/webhooks", "/v1/packs/no-such-one/webhooks", { list: 404, make: 404 }),
  ...webhookRoutes("/v1/organizations/:slug/webhooks", "/v1/organizations/no-such-one/webhooks", {
    list: 404,
    make: 404,
  }),
  "GET /v1/me/following": { request: () => ({ path: "/v1/me/following" }), expected: signedIn(200) },
  "PUT /v1/me/following/:kind/:id": {
    request: () => ({ path: "/v1/me/following/pack/no-such-pack" }),
    expected: signedIn(404),
  },
  "GET /v1/me/solder-keys": { request: () => ({ path: "/v1/me/solder-keys" }), expected: signedIn(200) },
  "POST /v1/me/solder-keys": {
    request: () => ({ path: "/v1/me/solder-keys", body: { name: "x" } }),
    expected: signedIn(201),
  },
  "DELETE /v1/me/solder-keys/:id": {
    request: () => ({ path: `/v1/me/solder-keys/${someId}` }),
    expected: signedIn(404),
  },
  "DELETE /v1/me/following/:kind/:id": {
    request: () => ({ path: "/v1/me/following/pack/no-such-pack" }),
    expected: signedIn(204),
  },
  "POST /v1/reports": {
    request: () => ({ path: "/v1/reports", body: { kind: "pack", id: "no-such-pack", reason: "spam" } }),
    expected: signedIn(404),
  },
  "GET /v1/me/reports": { request: () => ({ path: "/v1/me/reports" }), expected: signedIn(200) },
  "GET /v1/ops/reports": { request: () => ({ path: "/v1/ops/reports" }), expected: ofAdmins(200) },
  "POST /v1/ops/images/render": {
    request: () => ({ path: "/v1/ops/images/render", body: { which: "missing" } }),
    expected: { ...ofAdmins(202), operator: 202 },
  },
  "GET /v1/ops/audit": { request: () => ({ path: "/v1/ops/audit" }), expected: ofAdmins(200) },
  "GET /v1/ops/jobs": { request: () => ({ path: "/v1/ops/jobs" }), expected: ofOperators(200) },
  "POST /v1/ops/jobs/:id/retry": {
    request: () => ({ path: `/v1/ops/jobs/${someId}/retry` }),
    expected: ofOperators(404),
  },
  "POST /v1/ops/jobs/retry": {
    request: () => ({ path: "/v1/ops/jobs/retry", body: { actor: "build-archive" } }),
    expected: ofOperators(202),
  },
  "GET /v1/ops/actors": { request: () => ({ path: "/v1/ops/actors" }), expected: ofOperators(200) },
  // Of none, so that no other test waits.
  "POST /v1/ops/actors/:name/pause": {
    request: () => ({ path: "/v1/ops/actors/no-such-actor/pause" }),
    expected: ofOperators(404),
  },
  "POST /v1/ops/actors/:name/resume": {
    request: () => ({ path: "/v1/ops/actors/sync-feed/resume" }),
    expected: ofOperators(200),
  },
  "PATCH /v1/ops/reports/:id": {
    request: () => ({ path: `/v1/ops/reports/${someId}`, body: { state: "dismissed", answer: "x" } }),
    expected: ofAdmins(404),
  },
};

/** Old addresses of routes above: `flows/aliases` proves that they answer as these do. */
export const aliases = [
  /^POST \/(v1\/)?(auth\/)?register$/,
  /^POST \/(v1\/token|auth\/login)$/,
  /^DELETE \/users\/(logout|del|delete)$/,
  /^(GET \/me|PATCH \/me\/update|GET \/users\/:id)$/,
  /^(GET \/v1\/user\/:file|GET \/me\/photos|(GET|DELETE) \/me\/photos\/:id|GET \/users\/:id\/photos\/:photo)$/,
];

/** Routes that ask for a role, or for nobody at all, and have tests of their own. */
export const elsewhere = [
  ...aliases,
  // tests/flows/launchers.test.ts
  /^(GET|HEAD) \/(p|p\/t\/:token|hmcl)\/:slug\/\*$/,
  /^GET \/v1\/me\/notifications\/events$/,
  /^GET \/(status|livez|readyz|metrics|\.well-known\/jwks\.json|\.well-known\/sunduk\.json)$/,
  /^POST \/v1\/auth\/(register|login|undelete|refresh)$/,
  /^GET \/v1\/auth\/oidc\/:provider\/(start|callback)$/,
  /^POST \/v1\/auth\/oidc\/(:provider\/code|redeem)$/,
  /^POST \/v1\/me\/totp\/confirm$/,
  /^DELETE \/v1\/me\/totp$/,
  /^GET \/(verify|reset|confirm|account-links\.js|share|share\.js|join|join\.js)$/,
  /^POST \/v1\/auth\/(email\/verify|password\/(forgot|reset))$/,
  /^DELETE \/v1\/auth\/sessions(\/current)?$/,
  // tests/flows/openid.test.ts
  /^(GET \/\.well-known\/openid-configuration|(GET|POST) \/oauth\/(authorize|logout|userinfo)|OPTIONS \/oauth\/userinfo|POST \/oauth\/(authorize|logout)\/[a-z-]+)$/,
  /^(GET \/\.well-known\/oauth-authorization-server|POST \/oauth\/(device_authorization|token|revoke)|(GET|POST) \/device)$/,
  /^(GET|HEAD|PUT) \/storage\/\*$/,
  // tests/flows/helios.test.ts
  /^GET (\/p\/t\/:token\/:slug)?\/helios(\/|$)/,
  // tests/flows/yggdrasil.test.ts
  /^[A-Z]+ \/yggdrasil(\/|$)/,
  /^(GET|HEAD) \/$/,
  // tests/flows/solder.test.ts
  /^GET (\/p\/t\/:token\/:slug)?\/solder(\/|$)/,
  // tests/flows/bundles.test.ts
  /^POST \/p\/t\/:token\/:slug\/(bundle|urls)$/,
  // tests/flows/registrations.test.ts: from what a person or an organizer of an event may do.
  /^[A-Z]+ \/v1\/events\/:slug\/(registrations(\.csv)?|draw|check-ins|joins|servers)(\/|$)/,
  /^POST \/v1\/registrations\/confirm$/,
  // tests/flows/analytics.test.ts
  /^[A-Z]+ \/v1\/(me\/)?analytics(\/|$)/,
  // tests/flows/sources.test.ts
  /^[A-Z]+ \/v1\/organizations\/:slug\/sources(\/|$)/,
  // tests/flows/calendars.test.ts
  /^GET \/calendars\/:file$/,
  /^GET \/v1\/(events|organizations)\/:slug\/calendar\.ics$/,
  /^[A-Z]+ \/v1\/me\/calendar$/,
  /^GET \/v1\/me\/registrations$/,
  // tests/flows/modrinth.test.ts
  /^(GET|POST) \/modrinth(\/|$)/,
  // tests/flows/links.test.ts
  /^GET \/p\/(t\/:token|t\/:token\/:slug|:slug)$/,
  /^GET \/p\/(t\/:token\/)?:slug\/icon$/,
  /^[A-Z]+ \/openapi(\/|$)/,
  /^[A-Z]+ \/ops(\/|$)/,
  /^(GET|POST) \/v1\/ops\/storage\/(sweep|verification)$/,
];
