import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Actor, actors, type Fixture, general, type Route, routes } from "../access-table.ts";
import {
  type Answer,
  type Call,
  publishPack,
  type System,
  sha256,
  startSystem,
  type TestUser,
  upload,
  waitForJob,
} from "../harness.ts";

const roleOf: Partial<Record<Actor, string[]>> = { operator: ["ops"], admin: ["admin"] };

let system: System;
let users: Record<Exclude<Actor, "anonymous">, TestUser>;
let calls: Record<Actor, Call>;

beforeAll(async () => {
  system = await startSystem();
  const names = actors.filter((actor) => actor !== "anonymous");
  const signedUp = await Promise.all(names.map((name) => system.signUp(name, roleOf[name])));
  users = Object.fromEntries(names.map((name, index) => [name, signedUp[index]])) as typeof users;
  calls = { anonymous: system.call } as typeof calls;
  for (const name of names) calls[name] = users[name].call;
});
afterAll(() => system?.stop());

let made = 0;

/** A private pack with members, a reader, a version and a draft, and what else its owner has. */
async function makeFixture(): Promise<Fixture> {
  const { owner } = users;
  const slug = `hidden-${++made}`;
  const bytes = `bytes of ${slug}`;
  await publishPack(owner, { slug, version: "1.0.0", files: { "a.jar": bytes }, visibility: "private" });
  await owner.call("PUT", `/v1/packs/${slug}/access`, { body: { users: ["reader"], roles: [] } });
  for (const role of ["publisher", "maintainer"])
    await owner.call("PUT", `/v1/packs/${slug}/members`, { body: { login: role, role } });
  const file = { path: "a.jar", sha256: sha256(bytes), size: bytes.length, side: "both" };
  const draft = { version: "2.0.0", channel: "release", minecraft: "1.21.1", loader: null, files: [file] };
  await owner.call("POST", `/v1/packs/${slug}/versions`, { body: draft });
  const alone = await upload(owner, `alone ${slug}`);
  const created = await owner.call("POST", "/v1/files", { body: { sha256: alone, name: "alone.zip" } });
  const waiting = await owner.call("POST", "/v1/uploads", {
    body: { sha256: sha256(`waiting ${slug}`), size: 9, name: "waiting" },
  });
  const album = await owner.call("POST", "/v1/albums", { body: { title: "Gallery", pack: slug, visibility: "page" } });
  const share = await owner.call("POST", `/v1/albums/${album.json.id}/shares`, { body: {} });
  const link = await owner.call("POST", `/v1/packs/${slug}/links`, { body: {} });
  const image = await owner.call("POST", "/v1/images", {
    body: { sha256: sha256(`image ${slug}`), size: 9, name: "image.png", album: album.json.id },
  });
  const { json } = await owner.call("POST", `/v1/packs/${slug}/versions/1.0.0/publish`);
  // Members' changes of the pack's page start from the first revision.
  await system.db.query({
    name: "test_revision",
    text: "update pack.pack set revision = 1 where slug = $1",
    values: [slug],
  });
  return {
    slug,
    published: "1.0.0",
    draft: "2.0.0",
    sha256: sha256(bytes),
    sizeBytes: bytes.length,
    fileId: created.json.id,
    imageId: image.json.id,
    albumId: album.json.id,
    shareId: share.json.id,
    linkId: link.json.id,
    uploadId: waiting.json.id,
    jobId: json.job.id,
  };
}

const nowhere: Fixture = {
  slug: "no-such-pack",
  published: "1.0.0",
  draft: "2.0.0",
  sha256: sha256("bytes that nobody has"),
  sizeBytes: 5,
  fileId: "00000000-0000-7000-8000-000000000000",
  imageId: "00000000-0000-7000-8000-000000000000",
  albumId: "00000000-0000-7000-8000-000000000000",
  shareId: "00000000-0000-7000-8000-000000000000",
  linkId: "00000000-0000-7000-8000-000000000000",
  uploadId: "00000000-0000-7000-8000-000000000000",
  jobId: "00000000-0000-7000-8000-000000000000",
};

function send(
  route: string,
  { request }: Pick<Route, "request">,
  { actor, fixture }: { actor: Actor; fixture: Fixture },
) {
  const { path, ...options } = request(fixture);
  return calls[actor](route.split(" ")[0] ?? "", path, options);
}

/** All that an owner sees of his things: it stays the same whatever strangers try. */
async function look({ slug, fileId, imageId, albumId, uploadId, draft }: Fixture): Promise<string[]> {
  const { call } = users.owner;
  const pack = `/v1/packs/${slug}`;
  const paths = ["", "/access", "/members", "/versions", "/latest", `/versions/${draft}`].map((rest) => pack + rest);
  const albums = [`${pack}/albums`, `/v1/albums/${albumId}/shares`];
  const answers = await Promise.all([...paths, ...albums, `/v1/files/${fileId}`].map((path) => call("GET", path)));
  const { json } = await call("GET", `/v1/uploads/${uploadId}`);
  const image = await call("GET", `/v1/images/${imageId}`);
  return [...answers.map(({ text }) => text), json.state, image.json.caption, image.json.updatedAt];
}

/** An answer without what tells one request from another. */
function bare({ status, headers, json }: Answer, fixture: Fixture): string {
  const { traceId, ...rest } = json ?? {};
  let text = JSON.stringify(rest);
  for (const name of [
    fixture.slug,
    fixture.sha256,
    fixture.fileId,
    fixture.imageId,
    fixture.albumId,
    fixture.uploadId,
    fixture.jobId,
  ])
    text = text.replaceAll(name, "…");
  return `${status} ${headers.get("content-type")} ${headers.get("cache-control")} ${text}`;
}

describe("a private pack, and who may use each route of it", () => {
  let shared: Fixture;
  beforeAll(async () => {
    shared = await makeFixture();
  });

  test.each(Object.entries(routes))("%s", async (name, route) => {
    const before = await look(shared);
    const allowed: Actor[] = [];
    for (const actor of actors) {
      const status = route.expected[actor];
      if (status < 400 && route.changes) {
        allowed.push(actor);
        continue;
      }
      const answer = await send(name, route, { actor, fixture: shared });
      expect([actor, answer.status]).toEqual([actor, status]);
      if (status < 400 || name.startsWith("HEAD")) continue;
      expect(answer.headers.get("content-type")).toBe("application/problem+json");
      if (status !== 404 || route.names === undefined) continue;
      const unknown = await send(name, route, { actor, fixture: { ...shared, [route.names]: nowhere[route.names] } });
      expect([actor, bare(answer, shared)]).toEqual([actor, bare(unknown, nowhere)]);
    }
    expect(await look(shared)).toEqual(before);
    for (const actor of allowed) {
      const fixture = await makeFixture();
      expect([actor, (await send(name, route, { actor, fixture })).status]).toEqual([actor, route.expected[actor]]);
    }
  });

  test.each(Object.entries(general))("%s", async (name, route) => {
    for (const actor of actors) {
      const answer = await send(name, route, { actor, fixture: shared });
      expect([actor, answer.status]).toEqual([actor, route.expected[actor]]);
      const sees = ["reader", "publisher", "maintainer", "owner", "admin"].includes(actor);
      if (!sees) expect(answer.text).not.toContain(`${shared.slug}"`);
      if (name === "POST /v1/blobs/urls")
        expect([actor, Object.keys(answer.json.urls), answer.json.missing]).toEqual(
          sees ? [actor, [shared.sha256], []] : [actor, [], [shared.sha256]],
        );
      if (name === "GET /v1/files" && actor !== "owner" && actor !== "admin") expect(answer.json.items).toEqual([]);
    }
  });

  test("a draft is for those who work on the pack", async () => {
    const path = `/v1/packs/${shared.slug}/versions/${shared.draft}`;
    for (const actor of actors) {
      const works = ["publisher", "maintainer", "owner", "admin"].includes(actor);
      expect([actor, (await calls[actor]("GET", path)).status]).toEqual([actor, works ? 200 : 404]);
      const listed = await calls[actor]("GET", `/v1/packs/${shared.slug}/versions`);
      if (listed.status === 200) expect([actor, listed.text.includes('"2.0.0"')]).toEqual([actor, works]);
    }
  });

  test("access by role, and its end", async () => {
    const fixture = await makeFixture();
    const path = `/v1/packs/${fixture.slug}`;
    const share = (roles: string[]) => users.owner.call("PUT", `${path}/access`, { body: { users: [], roles } });
    expect((await calls.operator("GET", path)).status).toBe(404);
    await share(["ops"]);
    expect((await calls.operator("GET", `/v1/blobs/${fixture.sha256}`)).status).toBe(307);
    expect((await calls.operator("PATCH", path, { headers: { "if-match": '"1"' }, body: { name: "x" } })).status).toBe(
      403,
    );
    await share([]);
    expect((await calls.operator("GET", `/v1/blobs/${fixture.sha256}`)).status).toBe(404);
    expect((await calls.reader("GET", path)).status).toBe(404);
  });

  test("a maintainer lets publishers in, but neither maintainers nor himself further", async () => {
    const { slug } = await makeFixture();
    const put = (body: object) => calls.maintainer("PUT", `/v1/packs/${slug}/members`, { body });
    expect((await put({ login: "stranger", role: "publisher" })).status).toBe(200);
    expect((await put({ login: "stranger", role: "maintainer" })).status).toBe(403);
    await users.owner.call("PUT", `/v1/packs/${slug}/members`, { body: { login: "stranger", role: "maintainer" } });
    expect((await put({ login: "Stranger", role: "publisher" })).status).toBe(403); // nor down again
    const { json } = await users.owner.call("GET", `/v1/packs/${slug}/members`);
    expect(json.items).toContainEqual({ login: "stranger", role: "maintainer" });
    const took = await calls.maintainer("PATCH", `/v1/packs/${slug}`, {
      headers: { "if-match": '"1"' },
      body: { owner: "maintainer" },
    });
    expect(took.status).toBe(403);
    expect((await users.owner.call("GET", `/v1/packs/${slug}`)).json.owner).toBe("owner");
  });
});

describe("a stranger who knows the digest of a private file", () => {
  test("learns nothing, reads nothing, and gets it into a pack of his own only with the bytes", async () => {
    const fixture = await makeFixture();
    const { stranger } = users;
    const bytes = `bytes of ${fixture.slug}`;
    const unknown = sha256(`${bytes} that nobody has`);
    const declare = (digest: string, slug: string) =>
      stranger.call("POST", `/v1/packs/${slug}/versions`, {
        body: {
          version: "1.0.0",
          channel: "release",
          minecraft: "1.21.1",
          loader: null,
          files: [{ path: "a.jar", sha256: digest, size: bytes.length, side: "both" }],
        },
      });
    await Promise.all(
      ["own-known", "own-unknown"].map((slug) => stranger.call("POST", "/v1/packs", { body: { slug, name: slug } })),
    );
    const ask = async (digest: string, slug: string) => {
      const same = (answer: Answer) =>
        `${answer.status} ${JSON.stringify(answer.json, (key, value) =>
          ["traceId", "id", "url", "expiresAt", "createdAt"].includes(key) ? "…" : value,
        )
          .replaceAll(digest, "…")
          .replaceAll(slug, "…")}`;
      return {
        blob: same(await stranger.call("GET", `/v1/blobs/${digest}`)),
        urls: same(await stranger.call("POST", "/v1/blobs/urls", { body: { sha256: [digest] } })),
        upload: same(
          await stranger.call("POST", "/v1/uploads", { body: { sha256: digest, size: bytes.length, name: "a" } }),
        ),
        wrongSize: same(await stranger.call("POST", "/v1/uploads", { body: { sha256: digest, size: 1, name: "a" } })),
        file: same(await stranger.call("POST", "/v1/files", { body: { sha256: digest, name: "a" } })),
        declared: same(await declare(digest, slug)),
        publish: same(await stranger.call("POST", `/v1/packs/${slug}/versions/1.0.0/publish`)),
        icon: same(
          await stranger.call("PATCH", `/v1/packs/${slug}`, { headers: { "if-match": '"1"' }, body: { icon: digest } }),
        ),
      };
    };
    const told = await ask(fixture.sha256, "own-known");
    expect(told).toEqual(await ask(unknown, "own-unknown"));
    expect(told.blob).toStartWith("404 ");
    expect(told.upload).toStartWith("201 ");
    expect(told.declared).toContain('"missing":[{"sha256":"…"');
    expect(told.publish).toStartWith("409 ");

    // With the bytes he may, and they are still stored once.
    await upload(stranger, bytes);
    const { json } = await stranger.call("POST", "/v1/packs/own-known/versions/1.0.0/publish");
    expect((await waitForJob(stranger, json.job.id)).state).toBe("completed");
    expect((await stranger.call("GET", `/v1/blobs/${fixture.sha256}`)).status).toBe(307);
    const { rows } = await system.db.query({
      name: "test_count_blob",
      text: "select count(*) as count from blob.blob where sha256 = $1",
      values: [fixture.sha256],
    });
    expect(rows).toEqual([{ count: 1 }]);
    expect((await stranger.call("GET", `/v1/packs/${fixture.slug}`)).status).toBe(404);
  });
});
