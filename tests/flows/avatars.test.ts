import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import sharp from "sharp";
import { parts, type System, sha256, startSystem, type TestUser, waitFor, waitForJob } from "../harness.ts";
import { makePng, uploadImage } from "../pictures.ts";

let system: System;
let user: TestUser;
let stranger: TestUser;

beforeAll(async () => {
  system = await startSystem({ pods: 1, apis: 2 });
  [user, stranger] = await Promise.all([system.signUp("player"), system.signUp("stranger")]);
});
afterAll(() => system?.stop());

const red = [220, 20, 20] as const;
const green = [20, 200, 20] as const;
const blue = [20, 20, 220] as const;
const sizes = ["64", "128", "256", "512"];

/** A wide picture: red, green, blue from left to right. */
const stripes = () => makePng({ width: 1536, height: 512 }, (x) => [...(x < 512 ? red : x < 1024 ? green : blue)]);
const plain = (colour: readonly [number, number, number]) => makePng({ width: 300, height: 300 }, [...colour]);

async function setAvatar(owner: TestUser, body: object): Promise<any> {
  const asked = await owner.call("PUT", "/v1/me/avatar", { body });
  expect(asked.status).toBe(202);
  const job = await waitForJob(owner, asked.json.job.id);
  expect(job.state).toBe("completed");
  return asked.json;
}

const avatarOf = async (login: string) => (await system.call("GET", `/v1/users/${login}`)).json.avatar;

/** What everybody sees is remembered, until the hint that it has changed comes. */
const waitForAvatar = (login: string, id: string) =>
  waitFor(
    async () => {
      const avatar = await avatarOf(login);
      return avatar?.["64"].includes(id) && avatar;
    },
    "everybody to see the avatar",
    5_000,
  );

/** Follows an address to the bytes; says which of the colours they are. */
async function look(path: string) {
  const answer = await fetch(new URL(path, system.url));
  expect([path, answer.status, answer.headers.get("content-type")]).toEqual([path, 200, "image/webp"]);
  const { data, info } = await sharp(await answer.bytes())
    .raw()
    .toBuffer({ resolveWithObject: true });
  const at = (x: number, y: number) => [...data.subarray((y * info.width + x) * info.channels).subarray(0, 3)];
  const corners = [at(1, 1), at(info.width - 2, 1), at(1, info.height - 2), at(info.width - 2, info.height - 2)];
  const named = corners.map((pixel) => ["red", "green", "blue"][pixel.indexOf(Math.max(...pixel))]);
  return { width: info.width, height: info.height, colour: new Set(named).size === 1 ? named[0] : "several" };
}

async function listAvatars(login: string): Promise<{ id: string; state: string }[]> {
  const { rows } = await system.db.query({
    name: "test_avatars",
    text: `select i.id, i.state from image.image i join account."user" u on u.id = i.owner_id where u.login = $1 and i.kind = 'avatar'`,
    values: [login],
  });
  return rows as { id: string; state: string }[];
}

describe("an avatar", () => {
  test("is a square around the focal point, in four sizes, at an address of its own and at one that stays", async () => {
    const image = await uploadImage(user, stripes());
    expect(await avatarOf("player")).toBeNull();
    for (const [x, colour] of [
      [0, "red"],
      [0.5, "green"],
      [1, "blue"],
    ] as const) {
      const { id } = await setAvatar(user, { image, focus: { x, y: 0.5 } });
      const avatar = await waitForAvatar("player", id);
      expect(Object.keys(avatar)).toEqual(sizes);
      expect((await user.call("GET", "/v1/me")).json.avatar).toEqual(avatar);
      for (const size of sizes) {
        expect(avatar[size]).toBe(`/v1/images/${id}/${size}`);
        for (const path of [avatar[size], `/v1/users/player/avatar/${size}`])
          expect(await look(path)).toEqual({ width: Number(size), height: Number(size), colour });
      }
    }
    const { id } = (await user.call("GET", "/v1/me")).json;
    expect((await system.call("HEAD", `/v1/users/${id}/avatar/64`)).status).toBe(307);
    expect((await system.call("GET", "/v1/users/player/avatar/65")).status).toBe(404);
  });

  test("stays until the next one is ready; of several asked for at once the last one is it, and one row is left", async () => {
    const images = await Promise.all([red, green, blue].map((colour) => uploadImage(user, plain(colour))));
    const before = await waitForAvatar("player", (await setAvatar(user, { image: images[0] })).id);
    // Nobody renders: what is asked for waits.
    const [pod] = system.pods.slice(-1);
    pod?.kill("SIGSTOP");
    const asked = [];
    for (const image of [images[1], images[0], images[2]])
      asked.push((await user.call("PUT", "/v1/me/avatar", { body: { image } })).json);
    expect(await avatarOf("player")).toEqual(before);
    expect((await listAvatars("player")).map(({ state }) => state).sort()).toEqual(["processing", "ready"]);
    pod?.kill("SIGCONT");
    for (const { job } of asked) expect((await waitForJob(user, job.id)).state).toBe("completed");
    expect(await listAvatars("player")).toEqual([{ id: asked[2].id, state: "ready" }]);
    expect(await look("/v1/users/player/avatar/128")).toMatchObject({ colour: "blue" });
    expect((await system.call("GET", before["64"])).status).toBe(404);

    const many = await Promise.all(
      Array.from({ length: 8 }, (_, index) =>
        user.call("PUT", "/v1/me/avatar", { body: { image: images[index % 3] } }),
      ),
    );
    expect(new Set(many.map(({ status }) => status))).toEqual(new Set([202]));
    for (const { json } of many) await waitForJob(user, json.job.id);
    await waitFor(
      async () => (await listAvatars("player")).every(({ state }) => state === "ready"),
      "all to be settled",
    );
    expect(await listAvatars("player")).toHaveLength(1);
  });

  test("is made of a ready picture of one's own only", async () => {
    const image = await uploadImage(stranger);
    const [avatar] = await listAvatars("player");
    const waiting = await user.call("POST", "/v1/images", { body: { name: "a.png", sha256: "0".repeat(64), size: 9 } });
    expect(waiting.status).toBe(201);
    for (const id of [image, avatar?.id, waiting.json.id, Bun.randomUUIDv7()]) {
      const refused = await user.call("PUT", "/v1/me/avatar", { body: { image: id } });
      expect([refused.status, refused.json.errors?.[0]?.pointer]).toEqual([422, "/image"]);
    }
    for (const focus of [{ x: 2, y: 0 }, { x: 0 }, { x: 0, y: 0, z: 0 }, "middle"])
      expect((await user.call("PUT", "/v1/me/avatar", { body: { image, focus } })).status).toBe(422);
    expect((await listAvatars("player")).map(({ id }) => id)).toEqual([avatar?.id ?? ""]);
  });

  test("is none of its owner's pictures, counts in no quota, and is not changed as one", async () => {
    const [avatar] = await listAvatars("player");
    const path = `/v1/images/${avatar?.id}`;
    const listed = [
      ...(await user.call("GET", "/v1/me/images?limit=100")).json.items,
      ...(await user.call("GET", "/v1/users/player/images?limit=100")).json.items,
      ...(await user.call("GET", "/v1/me")).json.images.items,
    ].map(({ id }: { id: string }) => id);
    expect(listed.length).toBeGreaterThan(4);
    expect(listed).not.toContain(avatar?.id);
    const { rows } = await system.db.query({
      name: "test_image_quota",
      text: `select q.images, (select count(*) from image.image i where i.owner_id = q.user_id and kind = 'picture') as pictures
        from image.quota q join account."user" u on u.id = q.user_id where u.login = 'player'`,
      values: [],
    });
    const [{ images, pictures }] = rows as [{ images: number; pictures: number }];
    expect([images, pictures]).toEqual([pictures, images]);
    const etag = (await user.call("GET", path)).headers.get("etag") ?? "";
    const album = (await user.call("POST", "/v1/albums", { body: { title: "x" } })).json.id;
    for (const body of [{ visibility: "private" }, { caption: "x" }, { album }, { after: null }]) {
      const { status } = await user.call("PATCH", path, { body, headers: { "if-match": etag } });
      expect([body, status]).toEqual([body, 409]);
    }
    expect((await stranger.call("DELETE", path)).status).toBe(403);
    // Nobody is told which picture it was made of.
    const shown = (await system.call("GET", path)).json;
    expect([shown.name, shown.sha256, shown.size]).toEqual(["avatar", undefined, undefined]);
  });

  test("outlives the picture that it was made of", async () => {
    const image = await uploadImage(user, plain(green));
    await setAvatar(user, { image });
    expect((await user.call("DELETE", `/v1/images/${image}`)).status).toBe(204);
    expect(await look("/v1/users/player/avatar/512")).toMatchObject({ colour: "green" });
    const { rows } = await system.db.query({
      name: "test_avatar_source",
      text: `select i.source_blob_id as source from image.image i join account."user" u on u.id = i.owner_id where u.login = 'player' and i.kind = 'avatar'`,
      values: [],
    });
    expect(rows).toEqual([{ source: null }]); // nothing of the picture is kept but the squares
  });

  test("is removed at once, with the one that was to replace it, from every process", async () => {
    const image = await uploadImage(user, plain(red));
    const shown = await waitForAvatar("player", (await setAvatar(user, { image })).id);
    for (const url of system.apiUrls)
      await waitFor(
        async () => (await system.call("GET", `${url}/v1/users/player`)).json.avatar?.["64"] === shown["64"],
        "every process to show it",
        5_000,
      );
    await user.call("PUT", "/v1/me/avatar", { body: { image } });
    expect((await user.call("DELETE", "/v1/me/avatar")).status).toBe(204);
    expect((await user.call("DELETE", "/v1/me/avatar")).status).toBe(204);
    expect(await listAvatars("player")).toEqual([]);
    for (const path of ["/v1/users/player/avatar/64", shown["64"]])
      expect((await system.call("GET", path)).status).toBe(404);
    for (const url of system.apiUrls)
      await waitFor(
        async () => (await system.call("GET", `${url}/v1/users/player`)).json.avatar === null,
        "every process to forget it",
        5_000,
      );
    expect((await system.call("DELETE", "/v1/me/avatar")).status).toBe(401);
  });

  test("of bytes that were blocked since is seen by nobody", async () => {
    const bytes = plain(blue);
    const { id } = await setAvatar(user, { image: await uploadImage(user, bytes) });
    const shown = await waitForAvatar("player", id);
    await system.db.query({
      name: "test_block",
      text: `insert into blob.blocked (sha256, reason) values ($1, 'test')`,
      values: [sha256(bytes)],
    });
    for (const call of [system.call, user.call])
      for (const path of [shown["64"], "/v1/users/player/avatar/64"])
        expect((await call("GET", path)).status).toBe(404);
  });

  if (parts === "cluster")
    test("is served without cookies through the gateway", async () => {
      await setAvatar(stranger, { image: await uploadImage(stranger) });
      const answer = await fetch(`${system.url}/v1/users/stranger/avatar/64`, { headers: { cookie: "a=b" } });
      expect([answer.status, answer.headers.get("set-cookie")]).toEqual([200, null]);
      expect(answer.headers.get("x-content-type-options")).toBe("nosniff");
    });
});
