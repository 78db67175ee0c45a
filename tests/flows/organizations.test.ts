import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { many, run } from "../../db/query.ts";
import { type Call, publishPack, type System, startSystem, type TestUser, waitFor } from "../harness.ts";

const names = ["owner", "manager", "member", "stranger", "heir"] as const;
type Name = (typeof names)[number];

let system: System;
let users: Record<Name | "admin", TestUser>;
let ids: Record<Name, string>;
const calls: Record<string, Call> = {};

beforeAll(async () => {
  system = await startSystem({
    environment: { LIMIT_USER_ORGANIZATIONS: "500", LIMIT_INVITATIONS_PER_MINUTE: "10000" },
  });
  const signedUp = await Promise.all([...names.map((name) => system.signUp(name)), system.signUp("admin", ["admin"])]);
  users = Object.fromEntries([...names, "admin"].map((name, index) => [name, signedUp[index]])) as typeof users;
  ids = {} as typeof ids;
  for (const name of names) ids[name] = (await users[name].call("GET", "/v1/me")).json.id;
  calls.anonymous = system.call;
  for (const [name, user] of Object.entries(users)) calls[name] = user.call;
});
afterAll(() => system?.stop());

function as(who: string): Call {
  const call = calls[who];
  if (!call) throw new Error(`there is nobody called ${who} here`);
  return call;
}

let made = 0;

/** An organization with an owner, a manager and a member. */
async function arrange(more: object = {}): Promise<string> {
  const slug = `team-${++made}`;
  const created = await users.owner.call("POST", "/v1/organizations", { body: { slug, name: "Team", ...more } });
  expect(created.status).toBe(201);
  for (const role of ["manager", "member"] as const) await bring(slug, role, role);
  return slug;
}

async function bring(slug: string, name: Name, role: "manager" | "member") {
  const sent = await users.owner.call("POST", `/v1/organizations/${slug}/invitations`, { body: { login: name, role } });
  expect(sent.status).toBe(201);
  expect((await users[name].call("POST", `/v1/me/invitations/${sent.json.id}/accept`)).json).toEqual({
    organization: slug,
    role,
  });
}

const path = (slug: string, rest = "") => `/v1/organizations/${slug}${rest}`;
const page = async (slug: string, who = "owner") => (await as(who)("GET", path(slug))).json;
const roleIn = async (slug: string, who: string) => (await page(slug, who))?.role ?? null;
const listOwners = (slug: string) =>
  many<{ login: string }>(system.db, {
    name: "test_owners",
    text: `select u.login from organization.member m join account."user" u on u.id = m.user_id
      join organization.organization o on o.id = m.organization_id where o.slug = $1 and m.role = 'owner'`,
    values: [slug],
  });
const age = (slug: string) =>
  run(system.db, {
    name: "test_expire_invitations",
    text: `update organization.invitation i set expires_at = now() from organization.organization o where o.id = i.organization_id and o.slug = $1`,
    values: [slug],
  });

test("a page is made once, changed by its revision, and shown to whom it is for", async () => {
  const slug = await arrange({ description: { ru: "Клан" }, links: { site: "https://team.example" } });
  const again = await users.stranger.call("POST", "/v1/organizations", { body: { slug, name: "Other" } });
  expect(again.status).toBe(409);
  const { headers, json } = await users.manager.call("GET", path(slug));
  expect(json).toMatchObject({
    slug,
    name: "Team",
    description: { ru: "Клан" },
    links: { site: "https://team.example" },
    owner: "owner",
    role: "manager",
  });
  const etag = headers.get("etag") ?? "";
  expect((await users.manager.call("GET", path(slug), { headers: { "if-none-match": etag } })).status).toBe(304);
  const shownTo = async (language: string) =>
    (await system.call("GET", path(slug), { headers: { "accept-language": language } })).json.shown.description;
  expect([await shownTo("ru"), await shownTo("en")]).toEqual([
    { lang: "ru", fallback: false },
    { lang: "ru", fallback: true },
  ]);
  const nul = { slug: "nul", name: "Team", description: { en: "a\u0000b" } };
  expect((await users.owner.call("POST", "/v1/organizations", { body: nul })).status).toBe(422);
  const change = (who: Name, body: object, ifMatch?: string) =>
    users[who].call("PATCH", path(slug), { body, headers: ifMatch ? { "if-match": ifMatch } : {} });
  expect((await change("manager", { name: "Other" })).status).toBe(428);
  expect((await change("manager", { name: "Other" }, etag)).json.name).toBe("Other");
  expect((await change("manager", { name: "Late" }, etag)).status).toBe(412);
  expect((await change("manager", { visibility: "private" }, '"2"')).status).toBe(403);
  expect((await change("owner", { visibility: "private" }, '"2"')).status).toBe(200);
  for (const [who, status] of Object.entries({ member: 200, admin: 200, stranger: 404, anonymous: 404 }))
    expect([who, (await as(who)("GET", path(slug))).status]).toEqual([who, status]);
});

test("lists show public organizations, and your own by asking for them", async () => {
  const [open, unlisted, closed] = [
    await arrange(),
    await arrange({ visibility: "unlisted" }),
    await arrange({ visibility: "private" }),
  ];
  const list = async (who: string, query = "?limit=100") =>
    ((await as(who)("GET", `/v1/organizations${query}`)).json.items as { slug: string }[]).map(({ slug }) => slug);
  for (const who of ["anonymous", "stranger", "member"]) {
    const shown = await list(who);
    expect(shown).toContain(open);
    expect(shown).not.toContain(unlisted);
    expect(shown).not.toContain(closed);
  }
  const own = await list("member", "?mine=true&limit=100");
  expect(own).toEqual(expect.arrayContaining([open, unlisted, closed]));
  expect(await list("stranger", "?mine=true")).toEqual([]);
  expect(await list("member", `?mine=true&query=${closed}`)).toEqual([closed]);
  expect((await system.call("GET", "/v1/organizations?mine=true")).status).toBe(401);
  const first = await users.member.call("GET", "/v1/organizations?mine=true&limit=2");
  const second = await users.member.call(
    "GET",
    `/v1/organizations?mine=true&limit=100&cursor=${first.json.nextCursor}`,
  );
  const paged = [...first.json.items, ...second.json.items].map(({ slug }: { slug: string }) => slug);
  expect(paged).toEqual(await list("member", "?mine=true&limit=100"));
});

type Case = { method: string; rest: string; body?: () => unknown; expected: Record<string, number> };
const below = { anonymous: 401, stranger: 403, member: 403 };

/** What needs which role, in a public organization; each on one of its own when it succeeds. */
const cases: Record<string, Case> = {
  "reads invitations": {
    method: "GET",
    rest: "/invitations",
    expected: { ...below, manager: 200, owner: 200, admin: 200 },
  },
  "makes a link": {
    method: "POST",
    rest: "/invitations",
    body: () => ({ link: true }),
    expected: { ...below, manager: 201, owner: 201, admin: 201 },
  },
  "makes a link for managers": {
    method: "POST",
    rest: "/invitations",
    body: () => ({ link: true, role: "manager" }),
    expected: { ...below, manager: 403, owner: 201, admin: 201 },
  },
  "lets the member go": {
    method: "DELETE",
    rest: "/members/member",
    expected: { ...below, member: 204, manager: 204, owner: 204, admin: 204 },
  },
  "lets the manager go": {
    method: "DELETE",
    rest: "/members/manager",
    expected: { ...below, manager: 204, owner: 204, admin: 204 },
  },
  "lets the owner go": {
    method: "DELETE",
    rest: "/members/owner",
    expected: { ...below, manager: 409, owner: 409, admin: 409 },
  },
  "promotes the member": {
    method: "PATCH",
    rest: "/members/member",
    body: () => ({ role: "manager" }),
    expected: { ...below, manager: 403, owner: 200, admin: 200 },
  },
  "demotes the owner": {
    method: "PATCH",
    rest: "/members/owner",
    body: () => ({ role: "member" }),
    expected: { ...below, manager: 403, owner: 409, admin: 409 },
  },
  "shows the member": {
    method: "PATCH",
    rest: "/members/member",
    body: () => ({ public: true }),
    expected: { ...below, member: 200, manager: 403, owner: 403, admin: 403 },
  },
  "offers ownership": {
    method: "POST",
    rest: "/transfer",
    body: () => ({ login: "heir" }),
    expected: { ...below, manager: 403, owner: 201, admin: 201 },
  },
};

describe("what needs which role", () => {
  test.each(Object.entries(cases))("%s", async (_name, { method, rest, body, expected }) => {
    const shared = await arrange();
    const closed = await arrange({ visibility: "private" });
    const send = (who: string, slug: string) =>
      as(who)(
        method,
        path(
          slug,
          rest.replace(/(?<=members\/)\w+/, (name) => ids[name as Name]),
        ),
        {
          ...(body && { body: body() }),
        },
      );
    for (const [who, status] of Object.entries(expected)) {
      const answer = await send(who, status < 400 ? await arrange() : shared);
      expect([who, answer.status]).toEqual([who, status]);
    }
    expect((await send("stranger", closed)).status).toBe(404);
    expect(await listOwners(shared)).toEqual([{ login: "owner" }]);
    const { items } = (await users.owner.call("GET", path(shared, "/members"))).json;
    expect(items.map(({ login, role }: { login: string; role: string }) => [login, role])).toEqual([
      ["owner", "owner"],
      ["manager", "manager"],
      ["member", "member"],
    ]);
  });
});

test("others see the owner and the members who want to be seen; somebody who is hidden is seen by nobody", async () => {
  const slug = await arrange();
  const seen = async (who: string) =>
    ((await as(who)("GET", path(slug, "/members"))).json.items as { login: string }[]).map(({ login }) => login);
  expect(await seen("anonymous")).toEqual(["owner"]);
  expect(await seen("member")).toEqual(["owner", "manager", "member"]);
  await users.member.call("PATCH", path(slug, `/members/${ids.member}`), { body: { public: true } });
  expect(await seen("stranger")).toEqual(["owner", "member"]);
  const hide = (deletedAt: Date | null) =>
    system.db.query({
      name: "test_hide",
      text: `update account."user" set deleted_at = $2, erase_after = $2::timestamptz + interval '1 day' where login = $1`,
      values: ["member", deletedAt],
    });
  await hide(new Date());
  expect(await seen("stranger")).toEqual(["owner"]);
  expect(await seen("manager")).toEqual(["owner", "manager"]);
  expect((await page(slug, "stranger")).members.map(({ login }: { login: string }) => login)).toEqual(["owner"]);
  await hide(null);
});

describe("invitations", () => {
  test("one to a person is his to accept or decline, once", async () => {
    const slug = await arrange({ visibility: "private" });
    const invite = (login: string) => users.manager.call("POST", path(slug, "/invitations"), { body: { login } });
    const sent = await invite("heir");
    expect(sent.status).toBe(201);
    expect(sent.json).toMatchObject({ login: "heir", role: "member", createdBy: "manager" });
    expect(sent.json).not.toHaveProperty("link");
    expect([
      (await invite("heir")).status,
      (await invite("member")).status,
      (await invite("nobody-at-all")).status,
    ]).toEqual([409, 409, 422]);
    const { items } = (await users.heir.call("GET", "/v1/me/invitations")).json;
    expect(items).toContainEqual(sent.json);
    const answer = (who: Name, verb: string) => users[who].call("POST", `/v1/me/invitations/${sent.json.id}/${verb}`);
    expect((await answer("stranger", "accept")).status).toBe(404);
    expect((await answer("heir", "decline")).status).toBe(204);
    expect((await answer("heir", "accept")).status).toBe(404);
    expect((await users.heir.call("GET", path(slug))).status).toBe(404);
    const other = await invite("heir");
    expect((await users.manager.call("DELETE", path(slug, `/invitations/${other.json.id}`))).status).toBe(204);
    expect((await users.heir.call("POST", `/v1/me/invitations/${other.json.id}/accept`)).status).toBe(404);
    await invite("heir");
    await age(slug);
    expect((await users.heir.call("GET", "/v1/me/invitations")).json.items).toEqual([]);
  });

  test("a link lets in as many as it says, is told once, and kept as a hash", async () => {
    const slug = await arrange();
    const expiresAt = new Date(Date.now() + 3_600_000).toISOString();
    const made = await users.manager.call("POST", path(slug, "/invitations"), {
      body: { link: true, maxUses: 1, expiresAt },
    });
    expect(made.json.expiresAt).toBe(expiresAt);
    const token = made.json.link.split("#")[1];
    expect(made.json.link).toMatch(/\/join#[\w-]{43}$/);
    const rows = await many<{ row: string }>(system.db, {
      name: "test_invitations",
      text: `select i::text as row from organization.invitation i`,
      values: [],
    });
    expect(rows.filter(({ row }) => row.includes(token))).toEqual([]);
    const listed = await users.manager.call("GET", path(slug, "/invitations"));
    expect(listed.json.items).toHaveLength(1);
    expect(listed.text).not.toContain(token);
    const accept = (who: Name, sent = token) =>
      users[who].call("POST", "/v1/invitations/accept", { body: { token: sent } });
    // Who is a member already uses nothing up.
    expect((await accept("manager")).json).toEqual({ organization: slug, role: "manager" });
    expect((await accept("stranger", `${token}x`)).status).toBe(422);
    expect((await accept("stranger")).json).toEqual({ organization: slug, role: "member" });
    expect((await accept("heir")).status).toBe(422);
    expect(await roleIn(slug, "stranger")).toBe("member");
    expect(await roleIn(slug, "heir")).toBeNull();
  });

  test.each([
    [{}, 422],
    [{ link: true, login: "heir" }, 422],
    [{ login: "heir", maxUses: 2 }, 422],
    [{ link: true, expiresAt: "2020-01-01T00:00:00Z" }, 422],
    [{ link: true, expiresAt: "2999-01-01T00:00:00Z" }, 422],
    [{ link: true, expiresAt: "soon" }, 422],
    [{ link: true, role: "owner" }, 422],
    [{ link: true, maxUses: 0 }, 422],
  ])("what makes no sense is refused: %j", async (body, status) => {
    const slug = await arrange();
    expect((await users.owner.call("POST", path(slug, "/invitations"), { body })).status).toBe(status);
    expect((await users.owner.call("GET", path(slug, "/invitations"))).json.items).toEqual([]);
  });

  test.each(["demoted", "let go"])("who is %s keeps no way back in", async (how) => {
    const slug = await arrange();
    const made = await users.manager.call("POST", path(slug, "/invitations"), { body: { link: true } });
    const member = path(slug, `/members/${ids.manager}`);
    if (how === "demoted") await users.owner.call("PATCH", member, { body: { role: "member" } });
    else await users.owner.call("DELETE", member);
    const token = made.json.link.split("#")[1];
    expect((await users.heir.call("POST", "/v1/invitations/accept", { body: { token } })).status).toBe(422);
  });

  test.each([
    ["en", "Join an organization"],
    ["ru", "Вступление в организацию"],
  ])("the page of a link is in %s, and its script is ours", async (language, title) => {
    const { headers, text } = await system.call("GET", "/join", { headers: { "accept-language": language } });
    expect(text).toContain(`<h1>${title}</h1>`);
    expect(headers.get("content-security-policy")).toContain("script-src 'self'");
    const script = await system.call("GET", "/join.js");
    expect(script.text).toContain("/v1/invitations/accept");
  });
});

test("the page's script signs in, joins, and leaves no session behind", async () => {
  const slug = await arrange();
  const made = await users.owner.call("POST", path(slug, "/invitations"), { body: { link: true } });
  const script = (await system.call("GET", "/join.js")).text;
  const given: Record<string, string> = { token: "", login: "heir", password: "a long test password", code: "" };
  const inputs = Object.keys(given).map((name) => ({ name, value: given[name] ?? "" }));
  const find = (selector: string) => inputs.find(({ name }) => selector.includes(`name=${name}`));
  const shown: Record<string, boolean> = {};
  let submit = async (_event: object) => undefined as unknown;
  const button = { disabled: false };
  const form = {
    hidden: false,
    querySelectorAll: () => inputs,
    querySelector: (selector: string) => (selector === "button" ? button : find(selector)),
    addEventListener: (_kind: string, listen: typeof submit) => {
      submit = listen;
    },
  };
  const places = ["joined", "link", "failed"].map((name) => ({
    set hidden(value: boolean) {
      shown[name] = !value;
    },
    name,
  }));
  const document = {
    querySelector: (selector: string) =>
      selector === "form"
        ? form
        : (find(selector) ?? places.find(({ name }) => selector.includes(`=${name}]`)) ?? null),
    querySelectorAll: () => places,
  };
  const location = { hash: `#${made.json.link.split("#")[1]}`, pathname: "/join" };
  const replaced: string[] = [];
  const history = { replaceState: (_state: unknown, _title: string, to: string) => replaced.push(to) };
  const send = (to: string, options: RequestInit) => fetch(`${system.url}${to}`, options);
  new Function("document", "location", "history", "fetch", script)(document, location, history, send);
  expect(replaced).toEqual(["/join"]);
  const countSessions = async () =>
    (await users.heir.call("GET", "/v1/auth/sessions")).json.items.filter((one: { endedAt?: string }) => !one.endedAt)
      .length;
  const before = await countSessions();
  await submit({ preventDefault: () => undefined });
  expect(shown).toMatchObject({ joined: true, failed: false, link: false });
  expect(form.hidden).toBe(true);
  expect(await roleIn(slug, "heir")).toBe("member");
  expect(await countSessions()).toBe(before);
});

describe("ownership", () => {
  const offer = (slug: string, login: string, who: Name = "owner") =>
    users[who].call("POST", path(slug, "/transfer"), { body: { login } });
  const answer = (slug: string, verb: string, who: Name) => users[who].call("POST", path(slug, `/transfer/${verb}`));

  test("passes when the other accepts, and who had it stays as a manager", async () => {
    const slug = await arrange({ visibility: "private" });
    expect((await offer(slug, "heir")).json).toMatchObject({ from: "owner", to: "heir" });
    expect((await offer(slug, "member")).status).toBe(409);
    const { transfers } = (await users.heir.call("GET", "/v1/me/invitations")).json;
    expect(transfers[0]).toMatchObject({ organization: { slug }, from: "owner" });
    expect((await users.heir.call("GET", path(slug, "/transfer"))).status).toBe(200);
    expect((await users.member.call("GET", path(slug, "/transfer"))).status).toBe(404);
    expect((await answer(slug, "accept", "member")).status).toBe(404);
    expect(await listOwners(slug)).toEqual([{ login: "owner" }]);
    expect((await answer(slug, "accept", "heir")).status).toBe(204);
    expect(await listOwners(slug)).toEqual([{ login: "heir" }]);
    expect(await roleIn(slug, "owner")).toBe("manager");
    expect((await answer(slug, "accept", "heir")).status).toBe(404);
    // Who owns nothing any more may leave.
    expect((await users.owner.call("DELETE", path(slug, `/members/${ids.owner}`))).status).toBe(204);
  });

  test("stays when the other declines, or the offer is withdrawn", async () => {
    const slug = await arrange();
    await offer(slug, "member");
    expect((await answer(slug, "decline", "member")).status).toBe(204);
    await offer(slug, "member");
    expect((await users.member.call("DELETE", path(slug, "/transfer"))).status).toBe(403);
    expect((await users.owner.call("DELETE", path(slug, "/transfer"))).status).toBe(204);
    expect((await answer(slug, "accept", "member")).status).toBe(404);
    expect((await offer(slug, "owner")).status).toBe(409);
    expect(await listOwners(slug)).toEqual([{ login: "owner" }]);
  });
});

describe("packs of an organization", () => {
  const makePack = (who: Name, slug: string, organization?: string) =>
    users[who].call("POST", "/v1/packs", {
      body: { slug, name: slug, visibility: "private", ...(organization && { organization }) },
    });
  const change = (who: Name, slug: string, body: object) =>
    users[who]
      .call("GET", `/v1/packs/${slug}`)
      .then(({ headers }) =>
        users[who].call("PATCH", `/v1/packs/${slug}`, { body, headers: { "if-match": headers.get("etag") ?? '"1"' } }),
      );

  test("belong to its owner and managers, and are published by its members", async () => {
    const slug = await arrange();
    expect([
      (await makePack("member", `${slug}-no`, slug)).status,
      (await makePack("stranger", `${slug}-no`, slug)).status,
    ]).toEqual([403, 403]);
    const pack = `${slug}-pack`;
    const created = await makePack("manager", pack, slug);
    expect(created.json).toMatchObject({ owner: null, organization: { slug, name: "Team" }, role: "owner" });
    const roles = { owner: "owner", manager: "owner", member: "publisher", stranger: undefined };
    for (const [who, role] of Object.entries(roles))
      expect([who, (await as(who)("GET", `/v1/packs/${pack}`)).json.role]).toEqual([who, role]);
    await publishPack(users.member, { slug: pack, version: "1.0.0", files: { "a.txt": slug } });
    expect((await page(slug, "member")).packs.map((shown: { slug: string }) => shown.slug)).toEqual([pack]);
    expect((await page(slug, "stranger")).packs).toEqual([]);
    const listed = async (who: string) =>
      ((await as(who)("GET", `/v1/packs?organization=${slug}`)).json.items as { slug: string }[]).map(
        (shown) => shown.slug,
      );
    expect([await listed("member"), await listed("stranger")]).toEqual([[pack], []]);
    expect((await users.owner.call("GET", `/v1/packs/${pack}/members`)).json).toMatchObject({
      owner: null,
      organization: { slug },
    });
    // Who brought it in may still be a member of it by name.
    const hired = await users.owner.call("PUT", `/v1/packs/${pack}/members`, {
      body: { login: "manager", role: "maintainer" },
    });
    expect(hired.status).toBe(200);
  });

  test("go in and out by who owns them and manages it", async () => {
    const slug = await arrange();
    const pack = `${slug}-moves`;
    await makePack("stranger", pack);
    expect((await change("stranger", pack, { organization: slug })).status).toBe(403);
    expect((await change("owner", pack, { organization: slug })).status).toBe(404);
    await bring(slug, "stranger", "manager");
    expect((await change("stranger", pack, { organization: slug })).json).toMatchObject({
      owner: null,
      organization: { slug },
    });
    expect((await change("member", pack, { organization: null })).status).toBe(403);
    expect((await change("owner", pack, { owner: "heir" })).status).toBe(422);
    expect((await change("owner", pack, { owner: "heir", organization: null })).status).toBe(422);
    expect((await change("owner", pack, { organization: null })).json).toMatchObject({
      owner: "owner",
      organization: null,
    });
    expect((await users.stranger.call("GET", `/v1/packs/${pack}`)).status).toBe(404);
  });

  test("of others are open to its members where their access says so", async () => {
    const slug = await arrange();
    const closed = await arrange({ visibility: "private" });
    const pack = `${slug}-shared`;
    await makePack("heir", pack);
    const share = (who: Name, organizations: string[]) =>
      users[who].call("PUT", `/v1/packs/${pack}/access`, { body: { users: [], roles: [], organizations } });
    expect((await users.member.call("GET", `/v1/packs/${pack}`)).status).toBe(404);
    expect((await share("heir", [closed])).status).toBe(422); // he does not see it
    expect((await share("heir", [slug])).json).toEqual({ users: [], roles: [], organizations: [slug] });
    expect((await users.member.call("GET", `/v1/packs/${pack}`)).json.role).toBeNull();
    expect((await users.stranger.call("GET", `/v1/packs/${pack}`)).status).toBe(404);
    await users.owner.call("DELETE", path(slug, `/members/${ids.member}`));
    expect((await users.member.call("GET", `/v1/packs/${pack}`)).status).toBe(404);
    await share("heir", []);
    expect((await users.manager.call("GET", `/v1/packs/${pack}`)).status).toBe(404);
  });

  test("show nothing of an organization that the reader may not see", async () => {
    const slug = await arrange({ visibility: "private" });
    const pack = `${slug}-open`;
    await users.owner.call("POST", "/v1/packs", {
      body: { slug: pack, name: pack, visibility: "public", organization: slug },
    });
    const { json, text } = await users.stranger.call("GET", `/v1/packs/${pack}`);
    expect(json).toMatchObject({ owner: null, organization: null });
    expect(text).not.toContain(`"${slug}"`);
    expect((await users.stranger.call("GET", `/v1/packs?organization=${slug}`)).json.items).toEqual([]);
  });
});

test("galleries of an organization are made by its managers, and shown to whoever sees its page", async () => {
  const slug = await arrange({ visibility: "private" });
  const make = (who: Name, more: object = {}) =>
    users[who].call("POST", "/v1/albums", {
      body: { title: "Builds", organization: slug, visibility: "page", ...more },
    });
  expect([(await make("member")).status, (await make("stranger")).status]).toEqual([403, 404]);
  expect((await make("owner", { pack: "some-pack" })).status).toBe(422);
  const { id, organization } = (await make("manager")).json;
  expect(organization).toBe(slug);
  const see = async (who: string) => [
    (await as(who)("GET", `/v1/albums/${id}`)).status,
    (await as(who)("GET", path(slug, "/albums"))).json.items?.map((album: { id: string }) => album.id),
  ];
  expect(await see("member")).toEqual([200, [id]]);
  expect(await see("stranger")).toEqual([404, undefined]);
  expect((await users.manager.call("GET", "/v1/me/albums")).json.items).toEqual([]);
  expect((await page(slug, "member")).albums).toEqual([{ id, title: "Builds", visibility: "page" }]);
  const { headers } = await users.owner.call("GET", path(slug));
  await users.owner.call("PATCH", path(slug), {
    body: { visibility: "public" },
    headers: { "if-match": headers.get("etag") ?? "" },
  });
  expect(await see("anonymous")).toEqual([200, [id]]);
  const removed = await users.owner.call("DELETE", path(slug), { body: { slug } });
  expect(removed.json.owned).toEqual({ packs: [], events: [], albums: [id] });
  await users.owner.call("DELETE", path(slug), { body: { slug, transferTo: "me" } });
  expect((await users.owner.call("GET", "/v1/me/albums")).text).toContain(id);
  expect((await system.call("GET", `/v1/albums/${id}`)).status).toBe(404);
});

describe("deleting", () => {
  const remove = (who: Name, slug: string, body: object) => users[who].call("DELETE", path(slug), { body });

  test("says what it owns, and needs to know who gets it", async () => {
    const slug = await arrange();
    const other = await arrange();
    const pack = `${slug}-left`;
    await users.manager.call("POST", "/v1/packs", { body: { slug: pack, name: pack, organization: slug } });
    const refused = await remove("owner", slug, { slug });
    expect(refused.status).toBe(409);
    expect(refused.json.owned).toEqual({ packs: [pack], events: [], albums: [] });
    expect((await remove("owner", slug, { slug: other, transferTo: "me" })).status).toBe(422);
    expect((await remove("manager", slug, { slug, transferTo: "me" })).status).toBe(403);
    expect((await remove("owner", slug, { slug, transferTo: { organization: slug } })).status).toBe(422);
    expect((await remove("owner", slug, { slug, transferTo: { organization: "no-such-one" } })).status).toBe(404);
    expect((await users.owner.call("GET", `/v1/packs/${pack}`)).json.organization.slug).toBe(slug);
    expect((await remove("owner", slug, { slug, transferTo: { organization: other } })).status).toBe(204);
    expect((await users.owner.call("GET", `/v1/packs/${pack}`)).json.organization.slug).toBe(other);
    expect((await remove("owner", other, { slug: other, transferTo: "me" })).status).toBe(204);
    expect((await users.owner.call("GET", `/v1/packs/${pack}`)).json).toMatchObject({
      owner: "owner",
      organization: null,
    });
    expect((await users.manager.call("GET", `/v1/packs/${pack}`)).status).toBe(404);
    for (const who of ["owner", "member", "admin", "anonymous"])
      expect([who, (await as(who)("GET", path(slug))).status]).toEqual([who, 404]);
    expect((await users.owner.call("POST", "/v1/organizations", { body: { slug, name: "again" } })).status).toBe(409);
  });

  test("takes what it opened to its members away from them, and its invitations too", async () => {
    const slug = await arrange();
    const pack = `${slug}-read`;
    await users.heir.call("POST", "/v1/packs", { body: { slug: pack, name: pack } });
    await users.heir.call("PUT", `/v1/packs/${pack}/access`, { body: { users: [], roles: [], organizations: [slug] } });
    const link = (await users.owner.call("POST", path(slug, "/invitations"), { body: { link: true } })).json.link;
    expect((await remove("owner", slug, { slug })).status).toBe(204);
    expect((await users.member.call("GET", `/v1/packs/${pack}`)).status).toBe(404);
    const accepted = await users.heir.call("POST", "/v1/invitations/accept", { body: { token: link.split("#")[1] } });
    expect(accepted.status).toBe(422);
  });
});

test("an account that owns organizations is deleted all the same: they pass on, and what ends with it goes", async () => {
  const leaver = await system.signUp();
  const [shared, alone] = [`pass-${++made}`, `pass-${++made}`];
  for (const slug of [shared, alone]) {
    await leaver.call("POST", "/v1/organizations", { body: { slug, name: `Words of ${slug}` } });
    await leaver.call("POST", "/v1/packs", {
      body: { slug: `${slug}-pack`, name: slug, visibility: "public", organization: slug },
    });
  }
  for (const name of ["member", "heir"] as const) {
    const role = name === "heir" ? "manager" : "member";
    const sent = await leaver.call("POST", path(shared, "/invitations"), { body: { login: name, role } });
    await users[name].call("POST", `/v1/me/invitations/${sent.json.id}/accept`);
  }
  const deleted = await leaver.call("DELETE", "/v1/me", { body: { password: "a long test password" } });
  expect(deleted.json.organizations).toEqual([
    { slug: shared, heir: "heir" },
    { slug: alone, heir: null },
  ]);
  expect(await page(shared, "stranger")).toMatchObject({ owner: null, members: [] });
  expect((await system.call("GET", `/v1/packs/${shared}-pack`)).status).toBe(200);
  await run(system.db, {
    name: "test_let_time_pass",
    text: `update account."user" set erase_after = now() where login = $1`,
    values: [leaver.login],
  });
  await waitFor(async () => (await listOwners(shared))[0]?.login === "heir", "the organization to pass on");
  expect((await page(shared, "stranger")).owner).toBe("heir");
  expect((await page(shared, "heir")).packs).toHaveLength(1);
  expect((await system.call("GET", `/v1/packs/${shared}-pack`)).status).toBe(200);
  for (const gone of [path(alone), `/v1/packs/${alone}-pack`])
    expect((await users.admin.call("GET", gone)).status).toBe(404);
  const left = await many<{ row: string }>(system.db, {
    name: "test_words_left",
    text: `select o::text as row from organization.organization o where slug = $1 union all select p::text from pack.pack p where slug = $2`,
    values: [alone, `${alone}-pack`],
  });
  expect(left.filter(({ row }) => row.includes("Words of"))).toEqual([]);
});

test("who is concerned is told as a fact: invited, offered, joined; a link is told to nobody", async () => {
  const slug = await arrange();
  await users.owner.call("POST", path(slug, "/invitations"), { body: { link: true } });
  await users.owner.call("POST", path(slug, "/invitations"), { body: { login: "heir" } });
  await users.owner.call("POST", path(slug, "/transfer"), { body: { login: "manager" } });
  const facts = await many<{ kind: string; userId: string }>(system.db, {
    name: "test_organization_facts",
    text: `select f.kind, f.payload ->> 'userId' as "userId" from outbox.fact f join organization.organization o on o.id::text = f.payload ->> 'organizationId'
      where o.slug = $1 order by f.id`,
    values: [slug],
  });
  expect(facts.map(({ kind, userId }) => `${kind} ${names.find((name) => ids[name] === userId)}`)).toEqual([
    "organization.invited manager",
    "organization.member-joined manager",
    "organization.invited member",
    "organization.member-joined member",
    "organization.invited heir",
    "organization.transfer-offered manager",
  ]);
});

test("what a person did here is in his history", async () => {
  const slug = await arrange();
  await users.owner.call("DELETE", path(slug, `/members/${ids.member}`));
  const lines = async (who: Name) =>
    ((await users[who].call("GET", "/v1/me/activity?limit=100")).json.items as { kind: string; subject: string }[])
      .filter(({ subject }) => subject.startsWith(slug))
      .map(({ kind, subject }) => `${kind} ${subject}`);
  expect(await lines("owner")).toEqual([
    `member-removed ${slug}: member`,
    `member-invited ${slug}: member`,
    `member-invited ${slug}: manager`,
    `organization-created ${slug}`,
  ]);
  expect(await lines("member")).toEqual([`organization-joined ${slug}`]);
});
