import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import {
  type Answer,
  createTestFolder,
  type System,
  startSystem,
  type TestUser,
  waitFor,
  waitForJob,
} from "../harness.ts";
import { makePng, sendImage, uploadImage } from "../pictures.ts";

let system: System;
let owner: TestUser;
let other: TestUser;
let maintainer: TestUser;
let publisher: TestUser;
let admin: TestUser;
let folder = "";

beforeAll(async () => {
  system = await startSystem();
  [owner, other, maintainer, publisher, admin] = await Promise.all([
    system.signUp("keeper"),
    system.signUp("visitor"),
    system.signUp("maintainer"),
    system.signUp("publisher"),
    system.signUp("overseer", ["admin"]),
  ]);
  folder = await createTestFolder();
});
afterAll(() => system?.stop());

type Caller = Pick<TestUser, "call">;

async function makeAlbum(by: TestUser, body: object): Promise<any> {
  const made = await by.call("POST", "/v1/albums", { body: { title: "Album", ...body } });
  expect(made.status).toBe(201);
  return made.json;
}
const change = async (by: TestUser, path: string, body: object): Promise<Answer> => {
  const { headers } = await by.call("GET", path);
  return by.call("PATCH", path, { body, headers: { "if-match": headers.get("etag") ?? "" } });
};
const idsOf = async (by: Caller, path: string): Promise<string[]> =>
  (await by.call("GET", path)).json.items.map(({ id }: { id: string }) => id);
const statusOf = async (by: Caller, path: string) => (await by.call("GET", path)).status;

describe("an album", () => {
  test("is its owner's alone until it is shown, lists its images in their order, and begins with the first", async () => {
    const album = await makeAlbum(owner, { title: "Castles", description: "Of stone" });
    const path = `/v1/albums/${album.id}`;
    expect(album).toMatchObject({ visibility: "private", owner: "keeper", pack: null, role: "editor", cover: null });
    const first = await uploadImage(owner, makePng(), { album: album.id, alt: "A tower" });
    const second = await uploadImage(owner, makePng(), { album: album.id });
    const hidden = await uploadImage(owner, makePng(), { album: album.id, visibility: "private" });
    expect((await owner.call("GET", `/v1/images/${first}`)).json.visibility).toBe("album");

    for (const caller of [system, other]) expect(await statusOf(caller, path)).toBe(404);
    expect(await statusOf(admin, path)).toBe(200);
    expect(await idsOf(owner, "/v1/me/albums")).toContain(album.id);
    expect(await idsOf(owner, `${path}/images`)).toEqual([first, second, hidden]);

    expect((await change(owner, path, { visibility: "unlisted" })).status).toBe(200);
    for (const caller of [system, other]) {
      expect((await caller.call("GET", path)).json).toMatchObject({ title: "Castles", role: "reader" });
      expect(await idsOf(caller, `${path}/images`)).toEqual([first, second]);
      expect(await idsOf(caller, "/v1/users/keeper/albums")).toEqual([]);
      expect(await statusOf(caller, `/v1/images/${first}/thumb`)).toBe(307);
      expect(await statusOf(caller, `/v1/images/${hidden}/thumb`)).toBe(404);
    }
    await change(owner, path, { visibility: "public" });
    expect(await idsOf(other, "/v1/users/keeper/albums")).toEqual([album.id]);
    await owner.call("PATCH", `/v1/images/${second}`, { body: { before: first } });
    expect(await idsOf(other, `${path}/images`)).toEqual([second, first]);
    expect((await other.call("GET", path)).json.cover).toMatchObject({ id: second, url: `/v1/images/${second}/thumb` });

    await change(owner, path, { visibility: "private" });
    for (const caller of [system, other]) expect(await statusOf(caller, `/v1/images/${first}/thumb`)).toBe(404);
  });

  test("is paged, and a page that is cut begins where the one before ended", async () => {
    const album = await makeAlbum(owner, { visibility: "public" });
    const ids = [];
    for (let n = 0; n < 5; n++) ids.push(await uploadImage(owner, makePng(), { album: album.id }));
    const seen: string[] = [];
    let cursor = "";
    do {
      const page = await other.call("GET", `/v1/albums/${album.id}/images?limit=2${cursor}`);
      seen.push(...page.json.items.map(({ id }: { id: string }) => id));
      cursor = page.json.nextCursor === null ? "" : `&cursor=${page.json.nextCursor}`;
      expect(page.headers.get("link") !== null).toBe(cursor !== "");
    } while (cursor !== "");
    expect(seen).toEqual(ids);
  });

  test("is changed by its editors alone, and nobody's change is lost", async () => {
    const album = await makeAlbum(owner, { visibility: "public" });
    const path = `/v1/albums/${album.id}`;
    expect((await owner.call("PATCH", path, { body: { title: "x" } })).status).toBe(428);
    const { headers } = await owner.call("GET", path);
    const etag = { "if-match": headers.get("etag") ?? "" };
    expect((await other.call("PATCH", path, { body: { title: "x" }, headers: etag })).status).toBe(403);
    expect((await owner.call("PATCH", path, { body: { title: "Mine" }, headers: etag })).json.title).toBe("Mine");
    expect((await owner.call("PATCH", path, { body: { title: "x" }, headers: etag })).status).toBe(412);
    expect((await owner.call("DELETE", path, { headers: etag })).status).toBe(412);
    expect((await change(owner, path, { visibility: "page" })).status).toBe(422);
    expect((await other.call("POST", "/v1/albums", { body: { title: "x", visibility: "page" } })).status).toBe(422);
    const refused = await other.call("POST", "/v1/images", {
      body: { name: "x.png", sha256: "0".repeat(64), size: 3, album: album.id },
    });
    expect([refused.status, refused.json.errors[0].pointer]).toEqual([422, "/album"]);
    expect((await other.call("DELETE", path)).status).toBe(403);
    expect((await admin.call("DELETE", path)).status).toBe(204);
  });

  test("that is deleted leaves its images to their owner, or takes them along", async () => {
    const [kept, gone] = [await makeAlbum(owner, { visibility: "public" }), await makeAlbum(owner, {})];
    const left = await uploadImage(owner, makePng(), { album: kept.id });
    const open = await uploadImage(owner, makePng(), { album: kept.id, visibility: "public" });
    const taken = await uploadImage(owner, makePng(), { album: gone.id });
    const countOf = async () => (await idsOf(owner, "/v1/me/images?limit=100")).length;
    const before = await countOf();
    expect((await owner.call("DELETE", `/v1/albums/${kept.id}`)).status).toBe(204);
    expect((await owner.call("GET", `/v1/images/${left}`)).json).toMatchObject({ album: null, visibility: "private" });
    expect((await owner.call("GET", `/v1/images/${open}`)).json).toMatchObject({ album: null, visibility: "public" });
    expect((await change(owner, `/v1/images/${left}`, { caption: "still mine" })).status).toBe(200);
    expect(await statusOf(other, `/v1/images/${left}`)).toBe(404);
    expect((await owner.call("DELETE", `/v1/albums/${gone.id}?images=delete`)).status).toBe(204);
    expect([await statusOf(owner, `/v1/images/${taken}`), await countOf()]).toEqual([404, before - 1]);
  });
});

test("an album that is deleted while links, archives and images are made for it is gone with all of these", async () => {
  for (let round = 0; round < 5; round++) {
    const album = await makeAlbum(owner, {});
    const path = `/v1/albums/${album.id}`;
    const image = await uploadImage(owner, makePng(), { album: album.id });
    const answers = await Promise.all([
      ...Array.from({ length: 3 }, () => owner.call("POST", `${path}/shares`, { body: {} })),
      ...Array.from({ length: 3 }, () => owner.call("POST", `${path}/archive`)),
      ...Array.from({ length: 3 }, (_, n) =>
        owner.call("POST", "/v1/images", {
          body: { name: "x.png", sha256: String(n).repeat(64), size: 3, album: album.id },
        }),
      ),
      owner.call("DELETE", path),
      owner.call("PATCH", `/v1/images/${image}`, { body: { before: null } }),
    ]);
    expect(answers.filter(({ status }) => status >= 500).map(({ text }) => text)).toEqual([]);
    const { json } = await owner.call("GET", "/v1/me/images?limit=100");
    expect(
      json.items.filter((item: any) => item.album === album.id || (item.visibility === "album" && item.album === null)),
    ).toEqual([]);
    expect(await statusOf(owner, path)).toBe(404);
  }
});

describe("a pack's gallery", () => {
  let gallery: any;
  beforeAll(async () => {
    await owner.call("POST", "/v1/packs", { body: { slug: "castle", name: "Castle", visibility: "private" } });
    for (const [login, role] of [
      ["maintainer", "maintainer"],
      ["publisher", "publisher"],
    ])
      await owner.call("PUT", "/v1/packs/castle/members", { body: { login, role } });
    gallery = await makeAlbum(maintainer, { title: "Gallery", pack: "castle" });
  });
  const readers = (users: string[]) => owner.call("PUT", "/v1/packs/castle/access", { body: { users, roles: [] } });

  test("is made by the owner and maintainers, who put images of their own in", async () => {
    expect([gallery.pack, gallery.role]).toEqual(["castle", "editor"]);
    for (const [caller, status] of [
      [publisher, 403],
      [other, 404],
    ] as const)
      expect((await caller.call("POST", "/v1/albums", { body: { title: "x", pack: "castle" } })).status).toBe(status);
    const body = { name: "x.png", sha256: "0".repeat(64), size: 3, album: gallery.id };
    expect((await publisher.call("POST", "/v1/images", { body })).status).toBe(422);
    const images = [
      await uploadImage(owner, makePng(), { album: gallery.id }),
      await uploadImage(maintainer, makePng(), { album: gallery.id }),
    ];
    expect((await idsOf(publisher, `/v1/albums/${gallery.id}/images`)).sort()).toEqual(images.sort());
    expect(await idsOf(publisher, "/v1/packs/castle/albums")).toEqual([gallery.id]);
    expect(await idsOf(maintainer, "/v1/me/albums")).not.toContain(gallery.id);
  });

  test("is shown to whoever may see the page, and gone with it", async () => {
    const path = `/v1/albums/${gallery.id}`;
    const [image] = await idsOf(owner, `${path}/images`);
    await readers(["visitor"]);
    expect([await statusOf(other, path), await idsOf(other, "/v1/packs/castle/albums")]).toEqual([404, []]);
    expect((await change(owner, path, { visibility: "page" })).status).toBe(200);
    expect([await statusOf(other, path), await idsOf(other, "/v1/packs/castle/albums")]).toEqual([200, [gallery.id]]);
    expect(await statusOf(other, `/v1/images/${image}/preview`)).toBe(307);
    expect(await statusOf(system, path)).toBe(404);
    await readers([]);
    for (const shown of [path, `/v1/images/${image}/preview`]) expect(await statusOf(other, shown)).toBe(404);

    // Public or not: never wider than the page.
    await change(owner, path, { visibility: "public" });
    expect(await statusOf(other, path)).toBe(404);

    // Whoever made it, it is the pack's: a maintainer who leaves has lost it.
    await owner.call("DELETE", "/v1/packs/castle/members/maintainer");
    expect(await statusOf(maintainer, path)).toBe(404);
    expect((await owner.call("GET", path)).json).toMatchObject({ role: "editor", owner: "maintainer" });
    await owner.call("DELETE", "/v1/packs/castle", { body: { slug: "castle" } });
    for (const caller of [owner, maintainer, publisher]) expect(await statusOf(caller, path)).toBe(404);
  });
});

describe("a gallery of an organization", () => {
  const slug = "builders";
  const page = `/v1/organizations/${slug}`;
  const [roleOf, imagesOf] = [
    async (by: Caller, id: string) => (await by.call("GET", `/v1/albums/${id}`)).json.role,
    (by: Caller, id: string) => idsOf(by, `/v1/albums/${id}/images`),
  ];
  beforeAll(async () => {
    await owner.call("POST", "/v1/organizations", { body: { slug, name: "Builders" } });
    await system.db.query({
      name: "test_add_member",
      text: `insert into organization.member (organization_id, user_id, role)
        select o.id, u.id, 'member' from organization.organization o, account."user" u where o.slug = $1 and u.login = 'publisher'`,
      values: [slug],
    });
  });

  test("takes images from its members; whoever edits it takes any out, everybody his own, and each stays its owner's", async () => {
    const { id } = await makeAlbum(owner, { organization: slug });
    const path = `/v1/albums/${id}`;
    expect([await roleOf(owner, id), await roleOf(publisher, id)]).toEqual(["editor", "contributor"]);
    const [mine, his] = [
      await uploadImage(owner, makePng(), { album: id }),
      await uploadImage(publisher, makePng(), { album: id }),
    ];
    const open = await uploadImage(publisher, makePng(), { album: id, visibility: "public" });
    for (const caller of [owner, publisher])
      expect((await imagesOf(caller, id)).sort()).toEqual([mine, his, open].sort());
    expect((await change(publisher, path, { title: "x" })).status).toBe(403);
    expect((await publisher.call("DELETE", `/v1/images/${mine}`)).status).toBe(403);
    expect((await change(owner, path, { visibility: "page" })).status).toBe(200);
    expect(await roleOf(other, id)).toBe("reader");
    const body = { name: "x.png", sha256: "0".repeat(64), size: 3, album: id };
    expect((await other.call("POST", "/v1/images", { body })).status).toBe(422);

    const takeOut = async (by: Caller, image: string) => (await by.call("DELETE", `${path}/images/${image}`)).status;
    expect([await takeOut(system, his), await takeOut(other, his), await takeOut(publisher, mine)]).toEqual([
      401, 403, 403,
    ]);
    expect([await takeOut(owner, his), await takeOut(owner, his)]).toEqual([204, 404]);
    expect(await statusOf(owner, `/v1/images/${his}`)).toBe(404);
    expect((await publisher.call("GET", `/v1/images/${his}`)).json).toMatchObject({
      album: null,
      visibility: "private",
    });
    expect(await takeOut(publisher, open)).toBe(204);
    expect((await other.call("GET", `/v1/images/${open}`)).json).toMatchObject({ album: null, visibility: "public" });
    expect(await imagesOf(other, id)).toEqual([mine]);
  });

  test("is forgotten with its organization, also by whoever remembers what everybody sees", async () => {
    const { id } = await makeAlbum(owner, { organization: slug, visibility: "page" });
    const image = await uploadImage(publisher, makePng(), { album: id });
    const listed = async () => (await idsOf(system, "/v1/users/publisher/images")).includes(image);
    await waitFor(listed, "the image to be listed");
    expect((await change(owner, page, { visibility: "private" })).status).toBe(200);
    await waitFor(async () => !(await listed()), "the image to be listed no more", 10_000); // it is remembered for longer
    for (const path of [`/v1/albums/${id}`, `/v1/images/${image}`, `${page}/albums`])
      expect([await statusOf(other, path), await statusOf(publisher, path)]).toEqual([404, 200]);
    await owner.call("DELETE", page, { body: { slug, transferTo: "me" } });
    // It is his own album now, and whoever was a member has lost what he saw there.
    expect([await roleOf(owner, id), await statusOf(publisher, `/v1/albums/${id}`)]).toEqual(["editor", 404]);
    expect((await change(publisher, `/v1/images/${image}`, { album: null })).json.visibility).toBe("private");
  });
});

test("a gallery of an event takes images from who has a seat, as long as he has it, and is gone with the event", async () => {
  const event = { title: { en: "Fair" }, place: { kind: "online" }, timeZone: "UTC" };
  const times = { startsAt: "2126-03-01T19:00", endsAt: "2126-03-01T21:00" };
  await owner.call("POST", "/v1/organizations", { body: { slug: "fair-team", name: "Fair" } });
  await owner.call("POST", "/v1/events", { body: { ...event, ...times, slug: "fair", organization: "fair-team" } });
  const page = "/v1/events/fair";
  const gallery = await makeAlbum(owner, { event: "fair", visibility: "page" });
  const hidden = await makeAlbum(owner, { event: "fair" });
  const path = `/v1/albums/${gallery.id}`;
  const shown = async (by: Caller) => [
    (await by.call("GET", page)).json.albums?.map(({ id }: { id: string }) => id),
    await idsOf(by, `${page}/albums`).catch(() => undefined),
  ];
  const put = async (by: TestUser, album: string) =>
    (await by.call("POST", "/v1/images", { body: { name: "x.png", sha256: "0".repeat(64), size: 3, album } })).status;
  const roleOf = async (by: Caller) => (await by.call("GET", path)).json.role;
  expect(await shown(owner)).toEqual([
    [hidden.id, gallery.id],
    [hidden.id, gallery.id],
  ]);
  for (const caller of [system, maintainer]) expect(await shown(caller)).toEqual([[gallery.id], [gallery.id]]);
  expect([await roleOf(maintainer), await put(maintainer, gallery.id)]).toEqual(["reader", 422]);

  const seat = await maintainer.call("POST", `${page}/registrations`, { body: {} });
  expect(seat.json.state).toBe("confirmed");
  expect([await roleOf(maintainer), await roleOf(other)]).toEqual(["contributor", "reader"]);
  expect([await put(maintainer, gallery.id), await put(maintainer, hidden.id), await put(other, gallery.id)]).toEqual([
    201, 422, 422,
  ]);
  const image = await uploadImage(maintainer, makePng(), { album: gallery.id });
  expect(await statusOf(system, `/v1/images/${image}/thumb`)).toBe(307);
  expect((await change(owner, page, { visibility: "members" })).status).toBe(200);
  for (const caller of [system, other])
    for (const seen of [path, `/v1/images/${image}/thumb`, `${page}/albums`])
      expect(await statusOf(caller, seen)).toBe(404);
  expect([await roleOf(maintainer), (await shown(maintainer))[0]]).toEqual(["contributor", [gallery.id]]);

  await maintainer.call("POST", `${page}/registrations/${seat.json.id}/cancel`, { body: {} });
  expect([await statusOf(maintainer, path), await put(maintainer, gallery.id)]).toEqual([404, 422]);
  expect((await owner.call("GET", `/v1/images/${image}`)).json.owner).toBe("maintainer");
  expect((await owner.call("DELETE", page)).status).toBe(204);
  for (const caller of [owner, admin]) expect(await statusOf(caller, path)).toBe(404);
  expect((await change(maintainer, `/v1/images/${image}`, { album: null })).json.visibility).toBe("private");
});

describe("an archive", () => {
  const ask = async (caller: Caller, album: string): Promise<Answer> => {
    const asked = await caller.call("POST", `/v1/albums/${album}/archive`);
    if (asked.status === 202) {
      const job = await waitForJob(caller, asked.json.job.id);
      expect([job.state, job.result.state]).toEqual(["completed", "built"]);
    }
    return asked;
  };
  const fetchZip = async (caller: Caller, album: string): Promise<{ names: string[]; bytes: Buffer; path: string }> => {
    const redirect = await caller.call("GET", `/v1/albums/${album}/archive`);
    expect([redirect.status, redirect.headers.get("cache-control")]).toEqual([307, "no-store"]);
    const answer = await fetch(redirect.headers.get("location") ?? "");
    expect(answer.headers.get("content-disposition")).toStartWith("attachment; ");
    const bytes = Buffer.from(await answer.arrayBuffer());
    const path = join(folder, `${Bun.randomUUIDv7()}.zip`);
    await Bun.write(path, bytes);
    const listed = await Bun.$`LC_ALL=C.UTF-8 unzip -Z1 ${path}`.text();
    return { names: listed.trim().split("\n"), bytes, path };
  };

  test("holds what this viewer may see, re-encoded and under safe names, and is the same bytes for the same images", async () => {
    const album = await makeAlbum(owner, { title: "Замок / 1", visibility: "public" });
    const names = ["../../etc passwd.png", "CON.png", "башня 1.PNG", "a".repeat(250)];
    for (const name of names.map((name) => name.replaceAll("/", "∕")))
      await sendImage(owner, makePng(), { album: album.id, name });
    await uploadImage(owner, makePng(), { album: album.id, visibility: "private", name: "own.png" });
    expect(await statusOf(other, `/v1/albums/${album.id}/archive`)).toBe(404);

    expect((await ask(other, album.id)).status).toBe(202);
    expect((await ask(system, album.id)).status).toBe(200);
    const seen = await fetchZip(other, album.id);
    expect(seen.names).toEqual([
      "001 ∕..∕etc passwd.webp",
      "002 CON.webp",
      "003 башня 1.webp",
      `004 ${"a".repeat(80)}.webp`,
    ]);
    await Bun.$`unzip -tqq ${seen.path}`.quiet();
    const entry = await Bun.$`LC_ALL=C.UTF-8 unzip -p ${seen.path} ${"003 башня 1.webp"}`.quiet();
    expect([entry.stdout.toString("latin1", 0, 4), entry.stdout.toString("latin1", 8, 12)]).toEqual(["RIFF", "WEBP"]);

    // The owner sees one more: his archive is another one, and nobody else's.
    expect(await statusOf(owner, `/v1/albums/${album.id}/archive`)).toBe(404);
    const asked = await ask(owner, album.id);
    expect((await fetchZip(owner, album.id)).names).toContain("005 own.webp");
    for (const caller of [system, other]) {
      expect((await fetchZip(caller, album.id)).bytes.equals(seen.bytes)).toBe(true);
      expect(await statusOf(caller, `/v1/jobs/${asked.json.job.id}`)).toBe(404);
    }
    await system.db.query({ name: "test_forget_archives", text: "delete from image.archive", values: [] });
    expect(await statusOf(other, `/v1/albums/${album.id}/archive`)).toBe(404);
    await ask(other, album.id);
    expect((await fetchZip(other, album.id)).bytes.equals(seen.bytes)).toBe(true);
  });

  test("that holds what was deleted, hidden or blocked since is given to nobody", async () => {
    const album = await makeAlbum(owner, { visibility: "public" });
    const path = `/v1/albums/${album.id}/archive`;
    const ids = [];
    for (let n = 0; n < 4; n++) ids.push(await uploadImage(owner, makePng(), { album: album.id }));
    const again = async (left: number) => {
      expect(await statusOf(other, path)).toBe(404);
      await ask(other, album.id);
      expect((await fetchZip(other, album.id)).names).toHaveLength(left);
    };
    await again(4);
    await owner.call("DELETE", `/v1/images/${ids[0]}`);
    await again(3);
    await change(owner, `/v1/images/${ids[1]}`, { visibility: "private" });
    await again(2);
    const { json } = await owner.call("GET", `/v1/images/${ids[2]}`);
    await system.db.query({
      name: "test_block",
      text: "insert into blob.blocked (sha256, reason) values ($1, 'test')",
      values: [json.sha256],
    });
    await again(1);
    await owner.call("DELETE", `/v1/images/${ids[3]}`);
    expect(await statusOf(other, path)).toBe(404);
    expect((await other.call("POST", path)).status).toBe(409);
  });

  test("is one job for all who ask for the same at once", async () => {
    const album = await makeAlbum(owner, { visibility: "public" });
    for (let n = 0; n < 3; n++) await uploadImage(owner, makePng(), { album: album.id });
    const asked = await Promise.all(
      Array.from({ length: 12 }, (_, n) => (n % 2 ? system : other).call("POST", `/v1/albums/${album.id}/archive`)),
    );
    expect(asked.every(({ status }) => status === 202 || status === 200)).toBe(true);
    const [jobId, ...others] = new Set(asked.flatMap(({ json }) => json.job?.id ?? []));
    expect(others).toEqual([]);
    // Who may see all that is in it may watch its job, without an account.
    await waitFor(async () => (await statusOf(system, `/v1/albums/${album.id}/archive`)) === 307, "the archive");
    expect((await system.call("GET", `/v1/jobs/${jobId}`)).json.result).toMatchObject({ state: "built" });
  });
});
