import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  type Answer,
  publishPack,
  type System,
  sha256,
  startSystem,
  type TestUser,
  upload,
  waitFor,
} from "../harness.ts";

let system: System;
let author: TestUser;
let stranger: TestUser;
let admin: TestUser;

beforeAll(async () => {
  system = await startSystem();
  author = await system.signUp("author");
  stranger = await system.signUp("stranger");
  admin = await system.signUp("admin", ["admin"]);
});
afterAll(() => system?.stop());

const versionPath = (slug: string, version: string, rest = "") => `/v1/packs/${slug}/versions/${version}${rest}`;
const act = (by: TestUser, path: string, body?: unknown): Promise<Answer> =>
  by.call("POST", path, body === undefined ? {} : { body });

const latestOf = async (slug: string, channel = "release") => {
  const { status, json } = await stranger.call("GET", `/v1/packs/${slug}/latest?channel=${channel}`);
  return status === 200 ? json.version : status;
};
/** Strangers without a token may be answered from a memory of about a second, in each process and in the gateway. */
const waitForAnonymous = (path: string, status: number) =>
  waitFor(async () => (await system.call("GET", path)).status === status, `${path} to be ${status}`, 5_000);

async function publish(slug: string, version: string, more: { channel?: string; files?: Record<string, string> } = {}) {
  const { channel = "release", files = { "shared.jar": `shared ${slug}`, "own.jar": `own ${slug} ${version}` } } = more;
  await publishPack(author, { slug, version, channel, files });
}

describe("newest is what was published last", () => {
  test("per channel, whatever its number", async () => {
    await publish("channels", "2.0.0");
    await publish("channels", "1.9.1");
    await publish("channels", "3.0.0-beta", { channel: "beta" });
    expect(await latestOf("channels")).toBe("1.9.1");
    expect(await latestOf("channels", "beta")).toBe("3.0.0-beta");
    expect(await latestOf("channels", "alpha")).toBe(404);
    expect((await system.call("GET", "/v1/packs/channels/latest?channel=nightly")).status).toBe(400);
    const { json } = await system.call("GET", "/v1/packs/channels/versions");
    expect(json.items.map(({ version }: { version: string }) => version)).toEqual(["3.0.0-beta", "1.9.1", "2.0.0"]);
  });

  test("and what lies between two versions is told", async () => {
    await publish("updates", "1", { files: { "a.jar": "a", "b.jar": "b", "old/c.jar": "c", "d.jar": "gone" } });
    await publish("updates", "2", { files: { "a.jar": "a", "b.jar": "b two", "new/c.jar": "c", "e.jar": "new" } });
    const { json } = await system.call("GET", "/v1/packs/updates/diff/1/2");
    expect(json).toEqual({
      from: "1",
      to: "2",
      groups: { added: [], changed: [], removed: [] },
      added: [{ path: "e.jar", size: 3 }],
      changed: [{ path: "b.jar", size: 5 }],
      removed: [{ path: "d.jar", size: 4 }],
      moved: [{ from: "old/c.jar", to: "new/c.jar", size: 1 }],
      bytesToFetch: 8,
    });
  });
});

describe("a yanked version", () => {
  test("is gone from latest, still there by its name, and comes back", async () => {
    await publish("yanked", "1.0.0");
    await publish("yanked", "1.1.0");
    const before = await stranger.call("GET", versionPath("yanked", "1.1.0", "/manifest"));
    expect(await latestOf("yanked")).toBe("1.1.0");
    const yanked = await act(author, versionPath("yanked", "1.1.0", "/yank"));
    expect([yanked.status, typeof yanked.json.yankedAt]).toEqual([200, "string"]);
    expect(await latestOf("yanked")).toBe("1.0.0");
    await waitFor(
      async () => (await system.call("GET", "/v1/packs/yanked/latest")).json.version === "1.0.0",
      "anonymous callers to see it",
      5_000,
    );
    const again = await act(author, versionPath("yanked", "1.1.0", "/yank"));
    expect([again.status, again.json.yankedAt]).toEqual([200, yanked.json.yankedAt]);
    for (const call of [system.call, stranger.call]) {
      expect((await call("GET", versionPath("yanked", "1.1.0"))).json.yankedAt).toBe(yanked.json.yankedAt);
      const manifest = await call("GET", versionPath("yanked", "1.1.0", "/manifest"));
      expect([manifest.status, manifest.text]).toEqual([200, before.text]); // frozen: yanking is not in it
      expect((await call("GET", `/v1/blobs/${sha256("own yanked 1.1.0")}`)).status).toBe(307);
    }
    const listed = await system.call("GET", "/v1/packs/yanked/versions");
    expect(listed.json.items.map((item: any) => [item.version, item.yankedAt !== undefined])).toEqual([
      ["1.1.0", true],
      ["1.0.0", false],
    ]);
    await act(author, versionPath("yanked", "1.0.0", "/yank"));
    expect(await latestOf("yanked")).toBe(404);
    const back = await act(author, versionPath("yanked", "1.1.0", "/unyank"));
    expect([back.status, back.json.yankedAt]).toEqual([200, undefined]);
    expect(await latestOf("yanked")).toBe("1.1.0");
  });

  test("is none that was never published", async () => {
    const files = [{ path: "a", sha256: await upload(author, "draft"), size: 5, side: "both" }];
    const body = { version: "9", channel: "release", minecraft: "1.21.1", loader: null, files };
    await act(author, "/v1/packs/yanked/versions", body);
    for (const action of ["yank", "unyank"])
      expect((await act(author, versionPath("yanked", "9", `/${action}`))).status).toBe(409);
    expect((await act(author, versionPath("yanked", "9", "/withdraw"), { reason: "x" })).status).toBe(409);
    expect((await act(author, versionPath("yanked", "8", "/yank"))).status).toBe(404);
    expect((await author.call("GET", versionPath("yanked", "9"))).json.state).toBe("draft");
  });
});

describe("a withdrawn version", () => {
  test("is served to nobody any more: 410 with the reason, for its own bytes too", async () => {
    await publish("withdrawn", "1.0.0");
    await publish("withdrawn", "1.1.0");
    await waitForAnonymous(versionPath("withdrawn", "1.1.0", "/manifest"), 200); // into every memory there is
    const own = `/v1/blobs/${sha256("own withdrawn 1.1.0")}`;
    const shared = `/v1/blobs/${sha256("shared withdrawn")}`;
    expect((await stranger.call("GET", own)).status).toBe(307);
    const withdrawn = await act(author, versionPath("withdrawn", "1.1.0", "/withdraw"), {
      reason: "it deletes worlds",
    });
    expect([withdrawn.status, withdrawn.text]).toEqual([204, ""]);

    const paths = [
      ...["", "/manifest", "/archive?format=zip", "/archive?format=mrpack&side=client"].map((rest) =>
        versionPath("withdrawn", "1.1.0", rest),
      ),
      "/v1/packs/withdrawn/diff/1.0.0/1.1.0",
      "/v1/packs/withdrawn/diff/1.1.0/1.0.0",
    ];
    for (const { call } of [stranger, author, admin])
      for (const path of paths) {
        const answer = await call("GET", path);
        expect([path, answer.status, answer.json.code]).toEqual([path, 410, "gone"]);
        expect(answer.json.detail).toContain("it deletes worlds");
      }
    for (const path of [...paths, own]) await waitForAnonymous(path, 410);
    for (const base of system.apiUrls)
      for (const path of paths)
        await waitFor(
          async () => (await fetch(base + path, { redirect: "manual" })).status === 410,
          `${base}${path}`,
          5_000,
        );
    const gone = await stranger.call("GET", own);
    expect([gone.status, gone.json.detail.includes("it deletes worlds")]).toEqual([410, true]);
    expect((await stranger.call("HEAD", own)).status).toBe(410);
    const many = await stranger.call("POST", "/v1/blobs/urls", {
      body: { sha256: [sha256("own withdrawn 1.1.0"), sha256("shared withdrawn")] },
    });
    expect(Object.keys(many.json.urls)).toEqual([sha256("shared withdrawn")]);
    expect((await stranger.call("GET", shared)).status).toBe(307); // the other version has it

    expect(await latestOf("withdrawn")).toBe("1.0.0");
    const shown = async ({ call }: TestUser) => (await call("GET", "/v1/packs/withdrawn/versions")).json.items;
    expect((await shown(stranger)).map((item: any) => item.version)).toEqual(["1.0.0"]);
    expect(await shown(author)).toContainEqual(
      expect.objectContaining({ version: "1.1.0", state: "withdrawn", withdrawnReason: "it deletes worlds" }),
    );
  });

  test("does not come back under its name, nor by any other action", async () => {
    const files = [{ path: "own.jar", sha256: sha256("own withdrawn 1.1.0"), size: 19, side: "both" }];
    for (const some of [files, [{ ...files[0], path: "other.jar" }]]) {
      const body = { version: "1.1.0", channel: "release", minecraft: "1.21.1", loader: null, files: some };
      expect((await act(author, "/v1/packs/withdrawn/versions", body)).status).toBe(409);
    }
    for (const action of ["publish", "yank", "unyank"])
      expect((await act(author, versionPath("withdrawn", "1.1.0", `/${action}`))).status).toBe(410);
    expect((await act(admin, versionPath("withdrawn", "1.1.0", "/withdraw"), { reason: "again" })).status).toBe(410);
    const change = { headers: { "if-match": '"3"' }, body: { changelog: "x" } };
    expect([409, 410]).toContain((await author.call("PATCH", versionPath("withdrawn", "1.1.0"), change)).status);
    expect([409, 410]).toContain((await author.call("DELETE", versionPath("withdrawn", "1.1.0"))).status);
    const { json } = await stranger.call("GET", versionPath("withdrawn", "1.1.0"));
    expect(json.detail).toContain("it deletes worlds");
  });

  test("of a private pack is not there for strangers, as before", async () => {
    await publishPack(author, { slug: "secret", version: "1", files: { a: "secret a" }, visibility: "private" });
    await act(author, versionPath("secret", "1", "/withdraw"), { reason: "private reason" });
    for (const path of [
      versionPath("secret", "1"),
      versionPath("secret", "1", "/manifest"),
      `/v1/blobs/${sha256("secret a")}`,
    ])
      for (const call of [stranger.call, system.call]) {
        const answer = await call("GET", path);
        expect([path, answer.status]).toEqual([path, 404]);
        expect(answer.text).not.toContain("private reason");
      }
    expect((await admin.call("GET", `/v1/blobs/${sha256("secret a")}`)).status).toBe(410);
  });

  test("can take its digests with it for the whole server, when an admin says so", async () => {
    const virus = "a virus in a jar";
    await publish("infected", "1", { files: { "virus.jar": virus, "fine.jar": "fine" } });
    const copy = await act(stranger, "/v1/files", { sha256: await upload(stranger, virus), name: "copy.jar" });
    const path = versionPath("infected", "1", "/withdraw");
    const refused = await act(author, path, { reason: "virus", block: true });
    expect([refused.status, refused.json.code]).toEqual([403, "not-allowed"]);
    expect((await stranger.call("GET", versionPath("infected", "1"))).status).toBe(200); // nothing by halves
    expect((await act(admin, path, { reason: "virus", block: true })).status).toBe(204);

    for (const by of [author, stranger, admin]) {
      const again = await act(by, "/v1/uploads", { sha256: sha256(virus), size: virus.length, name: "virus.jar" });
      expect([again.status, again.json.code, again.json.detail.includes("virus")]).toEqual([403, "not-allowed", true]);
      expect([404, 410]).toContain((await by.call("GET", `/v1/blobs/${sha256(virus)}`)).status);
    }
    expect((await stranger.call("GET", copy.json.content)).status).toBe(410);
    const files = [{ path: "virus.jar", sha256: sha256(virus), size: virus.length, side: "both" }];
    const body = { version: "2", channel: "release", minecraft: "1.21.1", loader: null, files };
    const declared = await act(author, "/v1/packs/infected/versions", body);
    expect(declared.json.missing).toHaveLength(1);
    expect((await act(author, versionPath("infected", "2", "/publish"))).status).toBe(409);
  });

  test("and its digests may be blocked later, also from under a draft that holds them already", async () => {
    const worm = "a worm in a jar";
    await publish("wormy", "1", { files: { "worm.jar": worm } });
    const files = [{ path: "worm.jar", sha256: sha256(worm), size: worm.length, side: "both" }];
    const body = { version: "2", channel: "release", minecraft: "1.21.1", loader: null, files };
    expect((await act(author, "/v1/packs/wormy/versions", body)).json.missing).toEqual([]);
    const path = versionPath("wormy", "1", "/withdraw");
    expect((await act(author, path, { reason: "oh" })).status).toBe(204);
    expect((await act(admin, path, { reason: "worm" })).status).toBe(410);
    expect((await act(admin, path, { reason: "worm", block: true })).status).toBe(204);
    expect([404, 410]).toContain((await author.call("GET", `/v1/blobs/${sha256(worm)}`)).status);
    const refused = await act(author, versionPath("wormy", "2", "/publish"));
    expect([refused.status, refused.json.errors]).toEqual([409, [{ detail: "worm.jar" }]]);
  });
});

test("a deleted pack is gone at once, and its slug is never used again", async () => {
  await publish("deleted", "1");
  const refused = await author.call("DELETE", "/v1/packs/deleted", { body: { slug: "yanked" } });
  expect(refused.status).toBe(422);
  expect((await author.call("DELETE", "/v1/packs/deleted", { body: { slug: "deleted" } })).status).toBe(204);
  const paths = ["", "/latest", "/versions", "/versions/1", "/versions/1/manifest", "/versions/1/archive"];
  for (const call of [author.call, stranger.call, admin.call])
    for (const path of paths) expect((await call("GET", `/v1/packs/deleted${path}`)).status).toBe(404);
  for (const path of paths) await waitForAnonymous(`/v1/packs/deleted${path}`, 404);
  expect((await stranger.call("GET", `/v1/blobs/${sha256("own deleted 1")}`)).status).toBe(404);
  for (const by of [author, stranger]) {
    const again = await act(by, "/v1/packs", { slug: "deleted", name: "again" });
    expect([again.status, again.json.errors[0].pointer]).toEqual([409, "/slug"]);
  }
});
