import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Call, openCall, type System, startSystem, type TestUser, waitFor } from "../harness.ts";
import { makePng, uploadImage } from "../pictures.ts";

let system: System;
let user: TestUser;
let friend: TestUser;

beforeAll(async () => {
  // What is remembered is forgotten after 30 s by itself: here it has to be because of a change.
  system = await startSystem({ pods: 1, apis: 3 });
  [user, friend] = await Promise.all([system.signUp("painter"), system.signUp("friend")]);
});
afterAll(() => system?.stop());

type Listed = { images: { items: { id: string }[]; url: string } };
const idsOf = ({ images }: Listed) => images.items.map(({ id }) => id);

/** What each process shows of him to this caller, in the profile and in the list. */
async function seen(call: Call, url: string): Promise<string[][]> {
  const profile = (await call("GET", `${url}/v1/users/painter`)).json;
  const list = (await call("GET", `${url}/v1/users/painter/images?limit=100`)).json.items;
  return [idsOf(profile), list.map(({ id }: { id: string }) => id)];
}

/** Asks every process often enough for it to remember, then changes something and waits until all show what is true now. */
async function expectGone(id: string, change: () => Promise<unknown>): Promise<void> {
  for (const url of system.apiUrls)
    for (const times of [1, 2])
      for (const ids of await seen(system.call, url))
        expect([times, ids]).toEqual([times, expect.arrayContaining([id])]);
  await change();
  for (const url of system.apiUrls)
    await waitFor(
      async () => (await seen(system.call, url)).every((ids) => !ids.includes(id)),
      "every process to have forgotten it",
      5_000,
    );
  expect((await system.call("GET", `/v1/images/${id}`)).status).toBe(404);
}

const patch = (path: string, body: object) => async () => {
  const { headers } = await user.call("GET", path);
  const changed = await user.call("PATCH", path, { body, headers: { "if-match": headers.get("etag") ?? "" } });
  expect([path, changed.status, changed.text]).toEqual([path, 200, expect.anything()]);
};

describe("a profile", () => {
  test("shows each caller the first twelve images that he may see, and where the others are", async () => {
    const images = await Promise.all(
      Array.from({ length: 14 }, (_, index) =>
        uploadImage(user, makePng({ width: 4, height: 4 }), {
          name: `${index}.png`,
          visibility: index < 2 ? "private" : index < 4 ? "unlisted" : "public",
          ...(index === 0 && { access: { users: ["friend"], roles: [] } }),
        }),
      ),
    );
    const order = (await user.call("GET", "/v1/me/images?limit=100")).json.items.map(({ id }: { id: string }) => id);
    expect([...order].sort()).toEqual([...images].sort());
    const open = new Set(images.slice(4));
    const shown = (may: Set<string | undefined>) => order.filter((id: string) => may.has(id)).slice(0, 12);
    for (const [call, may] of [
      [system.call, open],
      [friend.call, new Set([...open, images[0]])],
      [user.call, new Set(images)],
    ] as const) {
      for (const path of ["/v1/users/painter", "/v1/users/PAINTER"]) {
        const profile = (await call("GET", path)).json;
        expect(idsOf(profile)).toEqual(shown(may));
        expect(profile.images.url).toBe(`/v1/users/${profile.id}/images`);
        expect((await call("GET", profile.images.url)).status).toBe(200);
      }
    }
    const me = (await user.call("GET", "/v1/me")).json;
    expect(idsOf(me)).toEqual(order.slice(0, 12));
    expect(me.images.url).toBe("/v1/me/images");
    expect(me).not.toHaveProperty("images.items.0.access");
    // What only its owner is told is told to nobody who asks after him.
    await user.call("GET", "/v1/users/painter");
    for (const item of (await system.call("GET", "/v1/users/painter")).json.images.items)
      for (const secret of ["sha256", "size", "access", "url", "headers"]) expect(item).not.toHaveProperty(secret);
  });

  test("shows a limited token no more of images than everybody sees, unless it may read files", async () => {
    const seenBy = async (...scopes: string[]) => {
      const made = await user.call("POST", "/v1/me/tokens", { body: { name: "ci", scopes, expiresInDays: 1 } });
      return idsOf((await openCall(system.url, made.json.token)("GET", "/v1/me")).json);
    };
    const open = idsOf((await system.call("GET", "/v1/users/painter")).json);
    const own = idsOf((await user.call("GET", "/v1/me")).json);
    expect(own).not.toEqual(open);
    expect(await seenBy("account:read")).toEqual(open);
    expect(await seenBy("account:read", "files:read")).toEqual(own);
  });

  test("has an ETag that changes with the images that are shown, and a revision that does not", async () => {
    const before = await user.call("GET", "/v1/me");
    const etag = before.headers.get("etag") ?? "";
    expect((await user.call("GET", "/v1/me", { headers: { "if-none-match": etag } })).status).toBe(304);
    const [first] = idsOf(before.json);
    await patch(`/v1/images/${first}`, { caption: "changed" })();
    await waitFor(
      async () => (await user.call("GET", "/v1/me", { headers: { "if-none-match": etag } })).status === 200,
      "the profile to be another",
      5_000,
    );
    const changed = await user.call("PATCH", "/v1/me", { body: { bio: "paints" }, headers: { "if-match": etag } });
    expect([changed.status, changed.json.bio, idsOf(changed.json).length]).toEqual([200, "paints", 12]);
  });

  test("tells nobody the address of an unlisted album that one of its images is in", async () => {
    const albums = await Promise.all(
      ["unlisted", "public"].map(async (visibility) => {
        const { json } = await user.call("POST", "/v1/albums", { body: { title: "x", visibility } });
        return json.id as string;
      }),
    );
    const images = await Promise.all(
      albums.map((album) => uploadImage(user, makePng(), { album, visibility: "public" })),
    );
    for (const [call, told] of [
      [system.call, [null, albums[1]]],
      [friend.call, [null, albums[1]]],
      [user.call, albums],
    ] as const) {
      const shown = await Promise.all(images.map((id) => call("GET", `/v1/images/${id}`)));
      expect(shown.map(({ json }) => json.album)).toEqual([...told]);
    }
    const profile = await system.call("GET", "/v1/users/painter");
    const list = await system.call("GET", "/v1/users/painter/images?limit=100");
    for (const { text } of [profile, list]) expect(text).not.toContain(albums[0] ?? "");
    for (const id of images) await user.call("DELETE", `/v1/images/${id}`);
  });

  test("is gone through page by page also when its images were moved very often", async () => {
    const images = await Promise.all([1, 2, 3].map(() => uploadImage(user, makePng(), { visibility: "public" })));
    for (const [index, id] of images.slice(0, 2).entries())
      await system.db.query({
        name: "test_long_rank",
        text: "update image.image set rank = $2 where id = $1",
        values: [id, `a0${"0".repeat(1997)}${index + 1}`],
      });
    const found: string[] = [];
    for (let path: string | undefined = "/v1/users/painter/images?limit=1"; path !== undefined; ) {
      const { status, json, headers } = await friend.call("GET", path);
      expect([status, json.items.length]).toEqual([200, 1]);
      found.push(json.items[0].id);
      path = /<(.*)>/.exec(headers.get("link") ?? "")?.[1];
    }
    expect(found.slice(0, 2)).toEqual(images.slice(0, 2));
    const between = await user.call("PATCH", `/v1/images/${images[2]}`, { body: { after: images[0] } });
    expect([between.status, between.json.code]).toEqual([409, "conflict"]);
    for (const id of images) await user.call("DELETE", `/v1/images/${id}`);
  });

  const pack = "painted-pack";
  const publicAlbum = async () =>
    (await user.call("POST", "/v1/albums", { body: { title: "x", visibility: "public" } })).json.id;
  const cases: [what: string, arrange: () => Promise<{ id: string; change: () => Promise<unknown> }>][] = [
    [
      "is made private",
      async () => {
        const id = await uploadImage(user, makePng(), { visibility: "public" });
        return { id, change: patch(`/v1/images/${id}`, { visibility: "private" }) };
      },
    ],
    [
      "is deleted",
      async () => {
        const id = await uploadImage(user, makePng(), { visibility: "public" });
        return { id, change: () => user.call("DELETE", `/v1/images/${id}`) };
      },
    ],
    [
      "is in an album that is made private",
      async () => {
        const album = await publicAlbum();
        const id = await uploadImage(user, makePng(), { album });
        return { id, change: patch(`/v1/albums/${album}`, { visibility: "private" }) };
      },
    ],
    [
      "is in an album that is deleted",
      async () => {
        const album = await publicAlbum();
        const id = await uploadImage(user, makePng(), { album });
        return { id, change: () => user.call("DELETE", `/v1/albums/${album}`) };
      },
    ],
    [
      "is taken out of its album",
      async () => {
        const id = await uploadImage(user, makePng(), { album: await publicAlbum() });
        return { id, change: patch(`/v1/images/${id}`, { album: null, visibility: "private" }) };
      },
    ],
    [
      "is in the gallery of a pack that is made private",
      async () => {
        await user.call("POST", "/v1/packs", { body: { slug: pack, name: pack, visibility: "public" } });
        const album = await user.call("POST", "/v1/albums", { body: { title: "x", visibility: "page", pack } });
        const id = await uploadImage(user, makePng(), { album: album.json.id });
        return { id, change: patch(`/v1/packs/${pack}`, { visibility: "private" }) };
      },
    ],
  ];
  test.each(cases)("forgets an image that %s, in every process", async (_what, arrange) => {
    const before = idsOf((await system.call("GET", "/v1/users/painter")).json);
    // The profile shows the first ones: all others make room.
    for (const id of before) await user.call("DELETE", `/v1/images/${id}`);
    const { id, change } = await arrange();
    for (const url of system.apiUrls)
      await waitFor(
        async () => (await seen(system.call, url)).every((ids) => ids.includes(id)),
        "it to be shown",
        5_000,
      );
    await expectGone(id, change);
    // He himself sees it as long as it is there.
    const own = (await user.call("GET", `/v1/images/${id}`)).status;
    expect(idsOf((await user.call("GET", "/v1/me")).json).includes(id)).toBe(own === 200);
  });
});
