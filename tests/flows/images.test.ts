import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { openCall, parts, type System, sha256, startSystem, type TestUser, waitForJob } from "../harness.ts";
import { makePng, sendImage, uploadImage } from "../pictures.ts";

let system: System;
let owner: TestUser;
let other: TestUser;
let admin: TestUser;

beforeAll(async () => {
  system = await startSystem({ apis: 2 });
  [owner, other, admin] = await Promise.all([
    system.signUp("painter"),
    system.signUp("visitor"),
    system.signUp("overseer", ["admin"]),
  ]);
});
afterAll(() => system?.stop());

const query = async (name: string, text: string, values: unknown[] = []): Promise<any[]> =>
  (await system.db.query({ name: `test_${name}`, text, values })).rows;
const open = (by: TestUser, bytes = makePng(), more: Record<string, unknown> = {}) =>
  by.call("POST", "/v1/images", {
    body: { name: "picture.png", sha256: sha256(bytes), size: bytes.byteLength, ...more },
  });
const patch = (by: TestUser, id: string, body: object, headers: Record<string, string> = {}) =>
  by.call("PATCH", `/v1/images/${id}`, { body, headers });
/** Changes it at whatever revision it has. */
const change = async (id: string, body: object) => {
  const { headers } = await owner.call("GET", `/v1/images/${id}`);
  const answer = await patch(owner, id, body, { "if-match": headers.get("etag") ?? "" });
  expect(answer.status).toBe(200);
  return answer.json;
};
const charged = async (login: string) =>
  (
    await query(
      "image_quota",
      `select q.images, q.size_bytes as bytes from image.quota q join account."user" u on u.id = q.user_id where u.login = $1`,
      [login],
    )
  )[0];

describe("an image", () => {
  test("is asked for, sent, handed over, and then seen by its owner alone, in four sizes", async () => {
    const bytes = makePng({ width: 1000, height: 500 });
    const words = { caption: "Our base", alt: "A castle" };
    const opened = await open(owner, bytes, words);
    expect(opened.status).toBe(201);
    const { id } = opened.json;
    expect(opened.headers.get("location")).toBe(`/v1/images/${id}`);
    expect(opened.json).toMatchObject({
      state: "waiting",
      visibility: "private",
      owner: "painter",
      caption: "Our base",
    });
    const early = await owner.call("POST", `/v1/images/${id}/complete`);
    expect([early.status, early.json.detail]).toEqual([409, expect.stringContaining("no bytes have arrived")]);
    expect((await owner.call("GET", `/v1/images/${id}/thumb`)).status).toBe(409);
    const image = await sendImage(owner, bytes, { caption: "Our base", alt: "A castle" });
    expect(image.id).toBe(id); // what the same user had asked for in the same words went on
    expect(image).toMatchObject({ state: "ready", width: 1000, height: 500, alt: "A castle", sha256: sha256(bytes) });
    expect(image.variants.thumb).toEqual({ url: `/v1/images/${id}/thumb`, width: 320, height: 160 });
    expect(image.variants.original).toMatchObject({ width: 1000, height: 500 });
    expect(image.url).toBeUndefined();

    const again = await owner.call("POST", `/v1/images/${id}/complete`);
    expect([again.status, again.json.state]).toEqual([202, "ready"]);
    expect((await waitForJob(owner, again.json.job.id)).state).toBe("completed");
    for (const stranger of [other.call, system.call])
      for (const path of ["", "/thumb", "/preview", "/large", "/original"])
        expect((await stranger("GET", `/v1/images/${id}${path}`)).status).toBe(404);
    expect((await owner.call("GET", `/v1/images/${id}/512`)).status).toBe(404);
    expect((await owner.call("GET", `/v1/images/${id}/other`)).status).toBe(404);
    const seen = await admin.call("GET", `/v1/images/${id}`);
    expect([seen.status, seen.json.access]).toEqual([200, { users: [], roles: [], organizations: [] }]);
  });

  test("is shown by a browser, but can do nothing there, and is kept by caches only when it is for everybody", async () => {
    const id = await uploadImage(owner, makePng(), { name: "Вид\u202e na.gpj.PNG" });
    const look = async (call = owner.call) => {
      const answer = await call("GET", `/v1/images/${id}/large`, { headers: { cookie: "session=1" } });
      expect(answer.status).toBe(307);
      expect(answer.headers.get("cache-control")).toBe("no-store");
      expect(answer.headers.get("vary")).toBe("Accept");
      const bytes = await fetch(answer.headers.get("location") ?? "", { headers: { cookie: "session=1" } });
      expect(bytes.status).toBe(200);
      for (const { headers } of [answer, bytes]) expect(headers.getSetCookie()).toEqual([]);
      expect(bytes.headers.get("content-type")).toBe("image/webp");
      if (parts === "embedded" || answer.headers.get("location")?.startsWith(system.url)) {
        expect(bytes.headers.get("x-content-type-options")).toBe("nosniff");
        expect(bytes.headers.get("content-security-policy")).toBe("sandbox; default-src 'none'");
      }
      expect(bytes.headers.get("content-disposition")).toBe(
        `inline; filename="___ na.gpj.webp"; filename*=UTF-8''%D0%92%D0%B8%D0%B4%20na.gpj.webp`,
      );
      expect(Buffer.from(await bytes.arrayBuffer()).toString("latin1", 8, 12)).toBe("WEBP");
      return bytes.headers.get("cache-control");
    };
    expect(await look()).toBe("private, no-store");
    await change(id, { visibility: "unlisted" });
    expect(await look(other.call)).toBe("public, max-age=31536000, immutable, no-transform");
    expect(await look(system.call)).toBe("public, max-age=31536000, immutable, no-transform");
    const head = await system.call("HEAD", `/v1/images/${id}/thumb`);
    expect(head.status).toBe(307);
    const headed = await fetch(head.headers.get("location") ?? "", { method: "HEAD" });
    expect([headed.status, headed.headers.get("content-type")]).toEqual([200, "image/webp"]);
    // Nobody makes a download into something that a browser shows, or one type into another.
    const forged = new URL((await system.call("GET", `/v1/images/${id}/thumb`)).headers.get("location") ?? "");
    for (const [name, value] of [...forged.searchParams])
      if (value === "image/webp") forged.searchParams.set(name, "text/html");
    expect(forged.href).toContain("text%2Fhtml");
    expect((await fetch(forged)).status).toBe(403);
    await change(id, { visibility: "private" });
    expect((await other.call("GET", `/v1/images/${id}/thumb`)).status).toBe(404);
  });

  test("is AVIF for who accepts that, where it is there", async () => {
    const id = await uploadImage(owner, makePng(), { visibility: "public" });
    const typeFor = async (accept: string) => {
      const { headers } = await system.call("GET", `/v1/images/${id}/thumb`, { headers: { accept } });
      return (await fetch(headers.get("location") ?? "")).headers.get("content-type");
    };
    await query("drop_avif", `delete from image.variant where image_id = $1 and format = 'avif'`, [id]);
    expect(await typeFor("image/avif,image/webp,*/*")).toBe("image/webp");
    await query(
      "add_avif",
      `insert into image.variant select image_id, name, 'avif', blob_id, width, height from image.variant where image_id = $1 and name = 'thumb'`,
      [id],
    );
    expect(await typeFor("image/webp,image/avif;q=0.9")).toBe("image/avif");
    for (const accept of ["image/avif;q=0, image/webp", "*/*", "image/*", "application/json"])
      expect([accept, await typeFor(accept)]).toEqual([accept, "image/webp"]);
  });

  test("that is none is rejected, says why to its owner, and gives the room back", async () => {
    const user = await system.signUp();
    const image = await sendImage(user, new TextEncoder().encode(`<svg onload="alert(1)">${Bun.randomUUIDv7()}</svg>`));
    expect(image.state).toBe("rejected");
    expect(image.reason.length).toBeGreaterThan(10);
    const variant = await user.call("GET", `/v1/images/${image.id}/original`);
    expect([variant.status, variant.json.detail]).toEqual([404, expect.stringContaining(image.reason)]);
    expect(await charged(user.login)).toEqual({ images: 0, bytes: 0 });
    expect((await user.call("GET", "/v1/me/images?state=rejected")).json.items).toHaveLength(1);
    expect((await user.call("GET", "/v1/me/images?state=ready")).json.items).toEqual([]);
    expect((await user.call("DELETE", `/v1/images/${image.id}`)).status).toBe(204);
    expect(await charged(user.login)).toEqual({ images: 0, bytes: 0 });
  });

  test("goes with its archives and its room when it is deleted", async () => {
    const user = await system.signUp();
    const bytes = makePng();
    const id = await uploadImage(user, bytes);
    expect(await charged(user.login)).toEqual({ images: 1, bytes: bytes.byteLength });
    const [{ owner_id }] = await query("image_owner", `select owner_id from image.image where id = $1`, [id]);
    await query("add_album", `insert into image.album (id, owner_id, title) values ($1, $2, 'x')`, [id, owner_id]);
    await query("add_archive", `insert into image.archive (id, album_id, digest, images) values ($1, $1, 'x', 1)`, [
      id,
    ]);
    await query("fill_archive", `insert into image.archive_image values ($1, $1, 0)`, [id]);
    expect((await other.call("DELETE", `/v1/images/${id}`)).status).toBe(404);
    expect((await user.call("DELETE", `/v1/images/${id}`, { headers: { "if-match": '"77"' } })).status).toBe(412);
    expect((await user.call("DELETE", `/v1/images/${id}`)).status).toBe(204);
    expect((await user.call("GET", `/v1/images/${id}`)).status).toBe(404);
    expect(await query("archives", `select from image.archive where id = $1`, [id])).toEqual([]);
    expect(await charged(user.login)).toEqual({ images: 0, bytes: 0 });
  });

  test("whose sent bytes are blocked is seen by nobody, and one variant that is blocked by itself is missing", async () => {
    const bytes = makePng({ width: 400 });
    const id = await uploadImage(owner, bytes, { visibility: "public" });
    const block = (digest: string) =>
      query("block", `insert into blob.blocked (sha256, reason) values ($1, 'known bad')`, [digest]);
    const [thumb] = await query(
      "thumb_digest",
      `select b.sha256 from image.variant v join blob.blob b on b.id = v.blob_id where v.image_id = $1 and v.name = 'thumb' and v.format = 'webp'`,
      [id],
    );
    await block(thumb.sha256);
    expect((await owner.call("GET", `/v1/images/${id}/thumb`)).status).toBe(404);
    expect((await owner.call("GET", `/v1/images/${id}`)).json.variants.thumb).toBeUndefined();
    expect((await system.call("GET", `/v1/images/${id}/large`)).status).toBe(307);
    await block(sha256(bytes));
    for (const { call } of [owner, admin, system]) {
      expect((await call("GET", `/v1/images/${id}`)).status).toBe(404);
      expect((await call("GET", `/v1/images/${id}/large`)).status).toBe(404);
    }
    expect((await owner.call("GET", "/v1/me/images?limit=100")).text).not.toContain(id);
    const refused = await open(owner, bytes);
    expect([refused.status, refused.json.detail]).toEqual([403, expect.stringContaining("known bad")]);
    // Its owner gets the room back that it takes.
    const before = await charged(owner.login);
    for (const { call } of [admin, other, system])
      expect([401, 404]).toContain((await call("DELETE", `/v1/images/${id}`)).status);
    expect((await owner.call("DELETE", `/v1/images/${id}`, { headers: { "if-match": '"77"' } })).status).toBe(412);
    expect((await owner.call("DELETE", `/v1/images/${id}`)).status).toBe(204);
    expect(await charged(owner.login)).toEqual({
      images: before.images - 1,
      bytes: before.bytes - bytes.byteLength,
    });
  });

  test.each([
    ["a name that breaks a line", { name: 'a";\r\nSet-Cookie:x' }, 422],
    ["a name that is too long", { name: "x".repeat(256) }, 422],
    ["no bytes", { size: 0 }, 422],
    ["a byte too many", { size: 32 * 1024 ** 2 + 1 }, 413],
    ["the visibility of no album", { visibility: "album" }, 422],
    ["an album that is not there", { album: Bun.randomUUIDv7() }, 422],
    ["readers that are not there", { access: { users: ["nobody-here"], roles: [] } }, 422],
    ["a member that is unknown", { owner: "visitor" }, 422],
  ])("is refused with %s, and takes no room", async (_what, more, status) => {
    const before = await charged("visitor");
    expect((await open(other, makePng(), more)).status).toBe(status);
    expect(await charged("visitor")).toEqual(before);
  });

  test("is opened once under one Idempotency-Key; without one, once for the same bytes and settings", async () => {
    const bytes = makePng();
    const body = { name: "picture.png", sha256: sha256(bytes), size: bytes.byteLength };
    const headers = { "idempotency-key": Bun.randomUUIDv7() };
    const first = await other.call("POST", "/v1/images", { body, headers });
    const second = await other.call("POST", "/v1/images", { body, headers });
    expect([second.status, second.json.id]).toEqual([201, first.json.id]);
    expect((await open(other, bytes)).json.id).toBe(first.json.id);
    expect((await open(owner, bytes)).json.id).not.toBe(first.json.id);
    // Nobody is shown more, or told something else, than was asked for last.
    for (const settings of [
      { visibility: "public" },
      { caption: "x" },
      { access: { users: ["painter"], roles: [] } },
    ]) {
      const { json } = await open(other, bytes, settings);
      expect(json).toMatchObject(settings);
      expect(json.id).not.toBe(first.json.id);
    }
  });
});

describe("changes", () => {
  test("need the revision that is changed, and reach nobody who may not see the image", async () => {
    const id = await uploadImage(owner);
    const { headers, json } = await owner.call("GET", `/v1/images/${id}`);
    const etag = headers.get("etag") ?? "";
    expect((await owner.call("GET", `/v1/images/${id}`, { headers: { "if-none-match": etag } })).status).toBe(304);
    expect((await patch(owner, id, { caption: "x" })).status).toBe(428);
    expect((await patch(other, id, { caption: "x" }, { "if-match": etag })).status).toBe(404);
    const changed = await patch(owner, id, { caption: "Ночь", alt: "", visibility: "unlisted" }, { "if-match": etag });
    expect(changed.json).toMatchObject({
      ...json,
      caption: "Ночь",
      visibility: "unlisted",
      updatedAt: expect.any(String),
    });
    expect((await patch(owner, id, { caption: "x" }, { "if-match": etag })).status).toBe(412);
    expect((await patch(other, id, { caption: "x" }, { "if-match": etag })).status).toBe(403);
    expect((await other.call("DELETE", `/v1/images/${id}`)).status).toBe(403);
    expect((await patch(owner, id, { rank: "a0" })).status).toBe(422);
    expect(
      (await patch(owner, id, { visibility: "album" }, { "if-match": changed.headers.get("etag") ?? "" })).status,
    ).toBe(422);
  });

  test("are possible when its album went and left it behind: it is private then", async () => {
    const { json: album } = await owner.call("POST", "/v1/albums", {
      body: { title: "Castles", visibility: "public" },
    });
    const { json: image } = await open(owner, makePng(), { album: album.id });
    expect([image.visibility, image.album]).toEqual(["album", album.id]);
    await query("drop_album", `delete from image.album where id = $1`, [album.id]);
    expect((await patch(owner, image.id, { after: null })).status).toBe(200);
    expect(await change(image.id, { caption: "alone" })).toMatchObject({ visibility: "private", album: null });
  });

  test("of the readers let in the members of an organization, as long as they are", async () => {
    const slug = `readers-${Bun.randomUUIDv7().slice(-12)}`;
    await owner.call("POST", "/v1/organizations", { body: { slug, name: "Readers", visibility: "private" } });
    const id = await uploadImage(owner, makePng(), { access: { users: [], roles: [], organizations: [slug] } });
    const look = async () => (await other.call("GET", `/v1/images/${id}/thumb`)).status;
    expect(await look()).toBe(404);
    const sent = await owner.call("POST", `/v1/organizations/${slug}/invitations`, { body: { login: other.login } });
    await other.call("POST", `/v1/me/invitations/${sent.json.id}/accept`);
    expect(await look()).toBe(307);
    expect((await other.call("GET", "/v1/users/painter/images?limit=100")).text).toContain(id);
    expect((await change(id, { caption: "still" })).access.organizations).toEqual([slug]);
    const me = (await other.call("GET", "/v1/me")).json.id;
    await other.call("DELETE", `/v1/organizations/${slug}/members/${me}`);
    expect(await look()).toBe(404);
    const unseen = { users: [], roles: [], organizations: [slug] };
    const body = { sha256: sha256(slug), size: 9, name: "a.png", access: unseen };
    expect((await other.call("POST", "/v1/images", { body })).status).toBe(422);
  });

  test("of the readers let in whom they name, also by role, and nobody else any more", async () => {
    const id = await uploadImage(owner, makePng(), { access: { users: ["Visitor"], roles: [] } });
    expect((await other.call("GET", `/v1/images/${id}/thumb`)).status).toBe(307);
    expect((await other.call("GET", `/v1/images/${id}`)).json.access).toBeUndefined();
    expect((await other.call("GET", `/v1/images/${id}`)).json.sha256).toBeUndefined();
    expect((await other.call("GET", "/v1/users/painter/images?limit=100")).text).toContain(id);
    const moderator = await system.signUp(undefined, ["ops"]);
    expect((await moderator.call("GET", `/v1/images/${id}`)).status).toBe(404);
    const changed = await change(id, { access: { users: [], roles: ["ops"] } });
    expect(changed.access).toEqual({ users: [], roles: ["ops"], organizations: [] });
    expect((await moderator.call("GET", `/v1/images/${id}`)).status).toBe(200);
    expect((await other.call("GET", `/v1/images/${id}/thumb`)).status).toBe(404);
  });
});

describe("lists", () => {
  test("show others what is public, the owner everything, in pages", async () => {
    const user = await system.signUp();
    const ids: Record<string, string> = {};
    for (const visibility of ["private", "unlisted", "public"])
      ids[visibility] = await uploadImage(user, makePng(), { visibility });
    const waiting = await open(user);
    const listed = async (call: TestUser["call"], path: string) => {
      const found: string[] = [];
      for (let next: string | null = path; next !== null; ) {
        const { status, json, headers } = await call("GET", next);
        expect(status).toBe(200);
        found.push(...json.items.map(({ id }: { id: string }) => id));
        expect(headers.has("link")).toBe(json.nextCursor !== null);
        next = json.nextCursor === null ? null : `${path}&cursor=${json.nextCursor}`;
      }
      return found;
    };
    const all = [ids.private, ids.unlisted, ids.public];
    for (const limit of [1, 3, 50]) {
      expect(await listed(user.call, `/v1/me/images?limit=${limit}`)).toEqual([...all, waiting.json.id]);
      expect(await listed(user.call, `/v1/users/${user.login}/images?limit=${limit}`)).toEqual(all as string[]);
      expect(await listed(admin.call, `/v1/users/${user.login}/images?limit=${limit}`)).toEqual(all as string[]);
      for (const call of [other.call, system.call])
        expect(await listed(call, `/v1/users/${user.login.toUpperCase()}/images?limit=${limit}`)).toEqual([
          ids.public as string,
        ]);
    }
    expect(await listed(user.call, "/v1/me/images?limit=9&state=waiting")).toEqual([waiting.json.id]);
    expect((await user.call("GET", "/v1/me/images?state=lost")).status).toBe(400);
    expect((await user.call("GET", "/v1/me/images?cursor=x")).status).toBe(400);
  });

  test("keep their order through moves, and of thirty moves at once none fails and none is lost", async () => {
    const user = await system.signUp();
    const ids: string[] = [];
    for (let index = 0; index < 6; index++) ids.push((await open(user)).json.id);
    const order = async () => {
      const { json } = await user.call("GET", "/v1/me/images");
      return json.items.map(({ id }: { id: string }) => ids.indexOf(id));
    };
    const move = async (index: number, to: { after: number | null } | { before: number | null }) => {
      const [[key, beside] = ["after", null]] = Object.entries(to);
      const answer = await patch(user, ids[index] ?? "", { [key]: beside === null ? null : ids[beside] });
      expect([answer.status, answer.json.detail]).toEqual([200, undefined]);
    };
    expect(await order()).toEqual([0, 1, 2, 3, 4, 5]);
    await move(5, { after: null });
    expect(await order()).toEqual([5, 0, 1, 2, 3, 4]);
    await move(5, { before: null });
    await move(0, { after: 2 });
    expect(await order()).toEqual([1, 2, 0, 3, 4, 5]);
    await move(4, { before: 0 });
    await move(3, { after: 3 });
    expect(await order()).toEqual([1, 2, 4, 0, 3, 5]);
    expect((await patch(user, ids[0] ?? "", { after: ids[1], before: ids[2] })).status).toBe(422);
    const foreign = (await open(other)).json.id;
    expect((await patch(user, ids[0] ?? "", { after: foreign })).status).toBe(422);

    const calls = system.apiUrls.map((url) => openCall(url, user.token));
    const answers = await Promise.all(
      Array.from({ length: 30 }, (_, index) =>
        calls[index % calls.length]?.("PATCH", `/v1/images/${ids[index % 6]}`, {
          body: index % 2 === 0 ? { after: ids[(index * 5 + 1) % 6] } : { before: ids[(index * 7 + 2) % 6] },
        }),
      ),
    );
    expect(answers.map((answer) => answer?.status)).toEqual(Array(30).fill(200));
    expect((await order()).toSorted()).toEqual([0, 1, 2, 3, 4, 5]);
    // All to one place at once: each gets one of its own.
    for (let round = 0; round < 3; round++)
      await Promise.all(
        ids.map((id, index) => calls[index % calls.length]?.("PATCH", `/v1/images/${id}`, { body: { after: null } })),
      );
    const ranks = await query(
      "ranks",
      `select count(distinct rank) as count from image.image where id = any ($1::uuid[])`,
      [ids],
    );
    expect(ranks).toEqual([{ count: 6 }]);
    // After a race as before it: where it is put, there it is.
    await move(2, { after: 4 });
    const now = await order();
    expect(now.indexOf(2)).toBe(now.indexOf(4) + 1);
  });
});

test("of a hundred images asked for at once with room for one, over two processes, one is admitted", async () => {
  const user = await system.signUp();
  await open(user);
  const set = (images: number, bytes: number) =>
    query(
      "fill_quota",
      `update image.quota q set images = $2, size_bytes = $3 from account."user" u where u.id = q.user_id and u.login = $1`,
      [user.login, images, bytes],
    );
  const calls = system.apiUrls.map((url) => openCall(url, user.token));
  const race = async () => {
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, index) =>
        calls[index % calls.length]?.("POST", "/v1/images", {
          body: { name: "x", sha256: sha256(Bun.randomUUIDv7()), size: 1_000 },
        }),
      ),
    );
    expect(answers.filter((answer) => answer?.json.code === "quota-exceeded")).toHaveLength(99);
    return answers.find((answer) => answer?.status === 201)?.json.id;
  };
  await set(1_999, 0);
  const id = await race();
  expect(await charged(user.login)).toEqual({ images: 2_000, bytes: 1_000 });
  expect((await user.call("DELETE", `/v1/images/${id}`)).status).toBe(204);
  expect(await charged(user.login)).toEqual({ images: 1_999, bytes: 0 });
  expect((await open(user)).status).toBe(201);
  await set(1, 5 * 1024 ** 3 - 1_999);
  await race();
  expect(await charged(user.login)).toEqual({ images: 2, bytes: 5 * 1024 ** 3 - 999 });
});

test("a limited token reads images with files:read and sends them with files:write", async () => {
  const make = async (scopes: string[]) => {
    const { json } = await owner.call("POST", "/v1/me/tokens", { body: { name: "ci", scopes, expiresInDays: 1 } });
    return openCall(system.url, json.token);
  };
  const reads = await make(["files:read"]);
  const body = { name: "x.png", sha256: sha256(Bun.randomUUIDv7()), size: 10 };
  expect((await reads("GET", "/v1/me/images")).status).toBe(200);
  expect((await reads("POST", "/v1/images", { body })).status).toBe(403);
  const account = await make(["account:write"]);
  expect((await account("GET", "/v1/me/images")).status).toBe(403);
  const writes = await make(["files:write"]);
  expect((await writes("POST", "/v1/images", { body })).status).toBe(201);
});
