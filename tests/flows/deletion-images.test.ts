import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readConfig } from "../../config.ts";
import { userReferences } from "../../db/erase.ts";
import { openDeps } from "../../deps.ts";
import { type System, sha256, startSystem, type TestUser, testLog, waitFor, waitForJob } from "../harness.ts";
import { makePng, uploadImage } from "../pictures.ts";

const password = "a long test password";
let system: System;
let admin: TestUser;
let friend: TestUser;

beforeAll(async () => {
  system = await startSystem({ environment: { SWEEP_GRACE_SECONDS: "0", SWEEP_DOOMED_SECONDS: "0" } });
  [admin, friend] = await Promise.all([system.signUp("admin", ["admin"]), system.signUp("friend")]);
});
afterAll(() => system?.stop());

async function create(user: TestUser, path: string, body: object): Promise<any> {
  const { status, json, text } = await user.call("POST", path, { body });
  if (status !== 201) throw new Error(`POST ${path}: ${text}`);
  return json;
}

/** Somebody with images in every place where there can be some. */
async function arrange(login: string) {
  const user = await system.signUp(login);
  const pack = `${login}-gallery`;
  await create(friend, "/v1/packs", { slug: pack, name: pack, visibility: "public" });
  await friend.call("PUT", `/v1/packs/${pack}/members`, { body: { login, role: "maintainer" } });
  const album = await create(user, "/v1/albums", { title: "open", visibility: "public" });
  const closed = await create(user, "/v1/albums", { title: "closed" });
  const gallery = await create(user, "/v1/albums", { title: "gallery", visibility: "page", pack });
  const both = makePng(); // he and his friend have the same picture
  const [open, named, inAlbum, shared, inGallery, same, theirs, alsoSame] = await Promise.all([
    uploadImage(user, makePng(), { visibility: "public" }),
    uploadImage(user, makePng(), { access: { users: ["friend"], roles: [] } }),
    uploadImage(user, makePng(), { album: album.id }),
    uploadImage(user, makePng(), { album: closed.id }),
    uploadImage(user, makePng(), { album: gallery.id }),
    uploadImage(user, both, { visibility: "public" }),
    uploadImage(friend, makePng(), { album: gallery.id }),
    uploadImage(friend, both, { visibility: "public" }),
  ]);
  const asked = await user.call("PUT", "/v1/me/avatar", { body: { image: open } });
  await waitForJob(user, asked.json.job.id);
  const avatar = (await user.call("GET", "/v1/me")).json.avatar;
  for (const each of [closed, gallery]) {
    const { json } = await user.call("POST", `/v1/albums/${each.id}/archive`);
    expect((await waitForJob(user, json.job.id)).state).toBe("completed");
  }
  const share = await create(user, `/v1/albums/${closed.id}/shares`, {});
  const { grant } = (await system.call("POST", "/v1/shares/open", { body: { token: share.token } })).json;
  // One that was only asked for, and one whose bytes were sent and never completed.
  const bytes = makePng();
  const image = { name: "a.png", sha256: sha256(bytes), size: bytes.byteLength };
  const waiting = await create(user, "/v1/images", { ...image, sha256: sha256("never sent") });
  const staged = await create(user, "/v1/images", image);
  await fetch(staged.url, { method: "PUT", headers: staged.headers, body: new Blob([Buffer.from(bytes)]) });
  const { id } = (await user.call("GET", "/v1/me")).json;
  return {
    user,
    login,
    id: id as string,
    token: share.token as string,
    grant: grant as string,
    staging: [waiting.id, staged.id].map((each: string) => `staging/${each}`),
    gallery: gallery.id as string,
    /** What everybody may see of him. */
    public: [
      `/v1/users/${login}`,
      `/v1/users/${login}/images`,
      `/v1/users/${login}/albums`,
      `/v1/users/${login}/avatar/64`,
      avatar["512"],
      ...[open, inAlbum, inGallery, same].flatMap((each) => [`/v1/images/${each}`, `/v1/images/${each}/thumb`]),
      `/v1/albums/${album.id}`,
      `/v1/albums/${album.id}/images`,
    ],
    /** What his friend may. */
    named: [`/v1/images/${named}`, `/v1/images/${named}/original`],
    /** What whoever has the link may. */
    linked: [
      `/v1/albums/${closed.id}`,
      `/v1/albums/${closed.id}/images`,
      `/v1/albums/${closed.id}/archive`,
      `/v1/images/${shared}`,
      `/v1/images/${shared}/large`,
    ],
    theirs: [theirs, alsoSame].flatMap((each) => [`/v1/images/${each}`, `/v1/images/${each}/thumb`]),
    others: { theirs, inGallery },
  };
}
type Arranged = Awaited<ReturnType<typeof arrange>>;

/** Statuses at every process, for everybody, his friend, an admin, and whoever has the link. */
async function ask(
  paths: string[],
  call: TestUser["call"],
  headers: Record<string, string> = {},
): Promise<Set<number>> {
  const urls = system.apiUrls.flatMap((url) => paths.map((path) => url + path));
  return new Set(await Promise.all(urls.map(async (url) => (await call("GET", url, { headers })).status)));
}

const openShare = (token: string) => system.call("POST", "/v1/shares/open", { body: { token } });

async function expectShown({ public: open, named, linked, theirs, grant, token }: Arranged): Promise<void> {
  const shown = (statuses: Set<number>) => [...statuses].every((status) => status === 200 || status === 307);
  await waitFor(async () => shown(await ask(open, system.call)), "every process to show him", 5_000);
  expect(shown(await ask(named, friend.call))).toBe(true);
  expect(shown(await ask(linked, system.call, { share: grant }))).toBe(true);
  expect(shown(await ask(theirs, system.call))).toBe(true);
  expect((await openShare(token)).status).toBe(200);
}

async function expectHidden({ public: open, named, linked, theirs, grant, token, gallery, others }: Arranged) {
  const none = [404];
  await waitFor(async () => `${[...(await ask(open, system.call))]}` === "404", "every process to hide him", 5_000);
  for (const { call } of [friend, admin])
    for (const paths of [open, named, linked]) expect([...(await ask(paths, call))]).toEqual(none);
  for (const status of await ask(linked, system.call, { share: grant })) expect(status).toBeOneOf([401, 404]);
  expect((await openShare(token)).status).toBeGreaterThanOrEqual(400);
  // The gallery is not his, and what others have put into it is theirs.
  const shown = (await system.call("GET", `/v1/albums/${gallery}/images`)).json.items.map(
    ({ id }: { id: string }) => id,
  );
  expect(shown).toEqual([others.theirs]);
  expect([...(await ask(theirs, system.call))].sort()).toEqual([200, 307]);
}

const query = async (name: string, text: string, values: unknown[]): Promise<any[]> =>
  (await system.db.query({ name: `test_${name}`, text, values })).rows;

/** Keys of all that is stored for somebody's images. */
async function listKeys(id: string): Promise<string[]> {
  const rows = await query(
    "keys_of",
    `select distinct b.key from blob.blob b where
       b.id in (select i.source_blob_id from image.image i where i.owner_id = $1)
       or b.id in (select v.blob_id from image.variant v join image.image i on i.id = v.image_id where i.owner_id = $1)
       or b.id in (select a.blob_id from image.archive a join image.archive_image r on r.archive_id = a.id
         join image.image i on i.id = r.image_id where i.owner_id = $1)`,
    [id],
  );
  return rows.map(({ key }) => key).sort();
}

async function countRows(id: string): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const [column, fate] of Object.entries(userReferences)) {
    if (fate === "stays") continue;
    const [schema, table, name] = column.split(".");
    const [row] = await query(
      `count_${schema}_${table}_${name}`,
      `select count(*) as count from ${schema}.${table} where ${name} = $1`,
      [id],
    );
    if (row.count > 0) counts[column] = row.count;
  }
  return counts;
}

describe("the images of somebody who deletes his account", () => {
  test("are hidden at once with albums, links, archives and avatar, and come back with him", async () => {
    const arranged = await arrange("comes-back");
    await expectShown(arranged);
    expect((await arranged.user.call("DELETE", "/v1/me", { body: { password } })).status).toBe(200);
    await expectHidden(arranged);
    const back = await system.call("POST", "/v1/auth/undelete", { body: { login: arranged.login, password } });
    expect(back.status).toBe(200);
    await expectShown(arranged);
  });

  test("are erased with every row and object that nobody else names", async () => {
    const [arranged, bystander] = await Promise.all([arrange("goes"), arrange("stays")]);
    const { user, id, staging } = arranged;
    const keys = await listKeys(id);
    const others = await query("keys_of_others", `select key from blob.blob where not key = any ($1)`, [keys]);
    const [friendId] = await query("friend", `select id from account."user" where login = 'friend'`, []);
    const isZip = (key: string) =>
      query("zip", `select from image.archive a join blob.blob b on b.id = a.blob_id where b.key = $1`, [key]);
    const zips = (await Promise.all(keys.map(async (key) => ((await isZip(key)).length > 0 ? [key] : [])))).flat();
    expect(zips).toHaveLength(2); // one of the gallery, which holds an image of each
    const kept = new Set((await listKeys(friendId.id)).filter((key) => !zips.includes(key)));
    const gone = keys.filter((key) => !kept.has(key));
    expect(gone.length).toBeGreaterThan(10);
    expect(gone.length).toBeLessThan(keys.length); // what his friend has too
    const before = await countRows(bystander.id);

    expect((await user.call("DELETE", "/v1/me", { body: { password } })).status).toBe(200);
    expect(await listKeys(id)).toEqual(keys); // not yet
    await query("pass_time", `update account."user" set erase_after = now() - interval '1 second' where id = $1`, [id]);
    await waitFor(
      async () =>
        (await query("erased", `select from account."user" where id = $1 and login like 'deleted-%'`, [id])).length > 0,
      "the account to be erased",
    );
    expect(await countRows(id)).toEqual({});
    expect(await countRows(bystander.id)).toEqual(before);
    // He made it; it is his friend's pack.
    expect((await system.call("GET", `/v1/albums/${arranged.gallery}`)).status).toBe(200);

    const config = readConfig({ environment: system.environment });
    await using deps = await openDeps({ config, log: testLog, name: "test", publicUrl: () => system.url }).then(
      (open) => ({
        ...open,
        [Symbol.asyncDispose]: open.close,
      }),
    );
    const stored = async (names: string[]) =>
      (await Promise.all(names.map(async (key) => ((await deps.storage.stat(key)) ? [key] : [])))).flat();
    const sweep = await admin.call("POST", "/v1/ops/storage/sweep", { body: { force: true } });
    expect(sweep.status).toBe(202);
    await waitFor(async () => (await stored(gone)).length === 0, "his objects to be gone");
    const left = keys.filter((key) => kept.has(key));
    expect(await stored(left)).toEqual(left);
    const theirs = others.map(({ key }) => key as string);
    expect(await stored(theirs)).toEqual(theirs);
    await expectHidden(arranged);
    await expectShown(bystander);
    // Bytes that wait in staging go when nothing names them and an upload could not be under way any more.
    expect(await query("staged", `select id from image.image where 'staging/' || id = any ($1)`, [staging])).toEqual(
      [],
    );
  });
});
