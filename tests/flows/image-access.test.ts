import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import fc from "fast-check";
import { type Bus, openBus } from "../../db/bus.ts";
import {
  type Answer,
  createTestFolder,
  long,
  openCall,
  type System,
  startSystem,
  type TestUser,
  testLog,
  waitFor,
  waitForJob,
} from "../harness.ts";
import { makePng, uploadImage } from "../pictures.ts";

// Every way to an image against a model: page (what a link opens), JSON, lists, profiles, pages of organizations and events,
// variants and archives. Mutants that fifteen runs of it have killed: a variant found without can_view; a list of an album
// without it; an archive of all that is in the album; an archive found by its album alone; can_view without blocked digests,
// without hidden owners, or with the readers of a deleted organization; an album of a hidden owner; a link that goes on when
// it is revoked, or expired, or that opens other albums; a gallery that belongs to whoever made it, or that is seen by who
// may not see its organization or event; unlisted galleries in the list or on the page of an event; guests who see what is
// the organizers' alone, or contribute without a seat; contributors who see less than readers.

const owners = ["ann", "bob"] as const;
const pages = ["pack", "guild", "fair"] as const;
const variants = ["thumb", "preview", "large", "original"];
const imageCount = 6;
const albumCount = 4;
/** The link of this album asks for a password. */
const locked = 1;
const password = "a word";

let system: System;
let bus: Bus;
let users: Record<string, TestUser>;
let userIds: Record<string, string>;
let packId = "";
let guildId = "";
let fairId = "";
let folder = "";
const images: { id: string; sha256: string }[] = [];
const albums: { id: string; shareId: string; token: string; grant: string }[] = [];

beforeAll(async () => {
  system = await startSystem({ pods: 1 });
  folder = await createTestFolder();
  const { REDIS_URL: redisUrl, DATABASE_URL: databaseUrl = "" } = system.environment;
  bus = await openBus({ redisUrl, databaseUrl, db: system.db, log: testLog });
  const roles: Record<string, string[]> = { friend: ["friend"], admin: ["admin"] };
  const names = [...owners, "stranger", "guest", "friend", "member", "admin"];
  const signedUp = await Promise.all(names.map((name) => system.signUp(name, roles[name])));
  users = Object.fromEntries(signedUp.map((user) => [user.login, user]));
  userIds = Object.fromEntries(
    (await query(`select login, id from account."user"`)).map(({ login, id }: any) => [login, id]),
  );
  const { ann } = users;
  if (!ann) throw new Error("nobody signed up");
  await ann.call("POST", "/v1/packs", { body: { slug: "castle", name: "Castle" } });
  packId = (await query(`select id from pack.pack`))[0].id;
  await ann.call("POST", "/v1/organizations", { body: { slug: "guild", name: "Guild" } });
  guildId = (await query(`select id from organization.organization`))[0].id;
  await query(`insert into organization.member (organization_id, user_id, role) values ($1, $2, 'member')`, [
    guildId,
    userIds.member,
  ]);
  const { admin } = users;
  const event = { title: { en: "Fair" }, place: { kind: "online" }, timeZone: "UTC" };
  const times = { startsAt: "2126-03-01T19:00", endsAt: "2126-03-01T21:00" };
  await admin?.call("POST", "/v1/events", { body: { slug: "fair", ...event, ...times } });
  await query(
    `insert into event.registration (id, occurrence_id, user_id, state) select gen_random_uuid(), id, $1, 'confirmed' from event.occurrence`,
    [userIds.guest],
  );
  fairId = (await query(`select id from event.event`))[0].id;
  for (let n = 0; n < imageCount; n++) {
    const id = await uploadImage(ann, makePng(), { name: `image-${n}.png` });
    images.push({ id, sha256: (await ann.call("GET", `/v1/images/${id}`)).json.sha256 });
  }
  for (let n = 0; n < albumCount; n++) {
    const album = (await ann.call("POST", "/v1/albums", { body: { title: `album ${n}` } })).json;
    const body = n === locked ? { password } : {};
    const { id, token } = (await ann.call("POST", `/v1/albums/${album.id}/shares`, { body })).json;
    const { grant } = (await system.call("POST", "/v1/shares/open", { body: { token, ...body } })).json;
    albums.push({ id: album.id, shareId: id, token, grant });
  }
}, 60_000);
afterAll(async () => {
  await bus?.close();
  await system?.stop();
});

async function query(text: string, values: unknown[] = []): Promise<any[]> {
  const name = `test_${Bun.hash(text).toString(36)}`;
  return (await system.db.query({ name, text, values })).rows;
}

// What there is ------------------------------------------------------------------------------------------------------------
type Owner = (typeof owners)[number];
type ImageState = {
  owner: Owner;
  state: "ready" | "processing";
  visibility: "private" | "album" | "unlisted" | "public";
  album: number | null;
  users: boolean;
  roles: boolean;
  guild: boolean;
  blocked: boolean;
};
type AlbumState = {
  owner: Owner;
  /** Whose gallery it is. */
  page: (typeof pages)[number] | null;
  visibility: "private" | "page" | "unlisted" | "public";
  link: "good" | "revoked" | "expired";
};
type World = {
  images: ImageState[];
  albums: AlbumState[];
  pack: { owner: Owner; visibility: "private" | "unlisted" | "public"; deleted: boolean; reader: boolean };
  /** An organization of the first owner and one member. */
  guild: { visibility: "private" | "unlisted" | "public"; deleted: boolean };
  hidden: Record<Owner, boolean>;
  disabled: Record<Owner, boolean>;
  /** An event of one owner or of that organization, for which the guest is registered. */
  fair: {
    owner: Owner | "guild";
    visibility: "members" | "unlisted" | "public";
    state: "draft" | "published" | "cancelled";
    deleted: boolean;
    seat: "confirmed" | "checked-in" | "cancelled" | "no-show";
  };
  /** Whose archive is asked for. */
  packed: number;
};

const seldom = fc.integer({ min: 0, max: 7 }).map((n) => n === 0);
const sometimes = fc.integer({ min: 0, max: 3 }).map((n) => n === 0);
const owner = fc.constantFrom(...owners);
const world: fc.Arbitrary<World> = fc.record({
  images: fc.array(
    fc.record({
      owner,
      state: seldom.map((not) => (not ? "processing" : "ready") as ImageState["state"]),
      visibility: fc.constantFrom<ImageState["visibility"][]>("private", "album", "album", "unlisted", "public"),
      album: fc.oneof(fc.constant(null), fc.nat(albumCount - 1), fc.nat(albumCount - 1), fc.nat(albumCount - 1)),
      users: fc.boolean(),
      roles: fc.boolean(),
      guild: fc.boolean(),
      blocked: seldom,
    }),
    { minLength: imageCount, maxLength: imageCount },
  ),
  albums: fc.array(
    fc.record({
      owner,
      page: fc.constantFrom<AlbumState["page"][]>(null, ...pages, "fair"),
      visibility: fc.constantFrom<AlbumState["visibility"][]>("private", "page", "unlisted", "public"),
      link: fc.constantFrom<AlbumState["link"][]>("good", "good", "revoked", "expired"),
    }),
    { minLength: albumCount, maxLength: albumCount },
  ),
  pack: fc.record({
    owner,
    visibility: fc.constantFrom<World["pack"]["visibility"][]>("private", "private", "unlisted", "public"),
    deleted: seldom,
    reader: fc.boolean(),
  }),
  guild: fc.record({
    visibility: fc.constantFrom<World["guild"]["visibility"][]>("private", "unlisted", "public"),
    deleted: sometimes,
  }),
  fair: fc.record({
    owner: fc.constantFrom<World["fair"]["owner"][]>("guild", ...owners),
    visibility: fc.constantFrom<World["fair"]["visibility"][]>("members", "unlisted", "public"),
    state: fc.constantFrom<World["fair"]["state"][]>("draft", "published", "published", "published", "cancelled"),
    deleted: seldom,
    seat: fc.constantFrom<World["fair"]["seat"][]>("confirmed", "checked-in", "cancelled", "no-show"),
  }),
  hidden: fc.record({ ann: sometimes, bob: sometimes }),
  disabled: fc.record({ ann: seldom, bob: seldom }),
  packed: fc.nat(albumCount - 1),
});

/** Makes it so, behind the API's back. */
async function arrange({
  images: shown,
  albums: shownAlbums,
  pack,
  guild,
  fair,
  hidden,
  disabled,
}: World): Promise<void> {
  const rows = shown.map((image, n) => ({
    ...image,
    id: images[n]?.id,
    sha256: images[n]?.sha256,
    owner: userIds[image.owner],
    album: image.album === null ? null : albums[image.album]?.id,
  }));
  const albumRows = shownAlbums.map((album, n) => ({ ...album, ...albums[n], owner: userIds[album.owner] }));
  const asImages = `jsonb_to_recordset($1::jsonb) v (id uuid, owner uuid, state text, visibility text, album uuid, users boolean, roles boolean, guild boolean, blocked boolean, sha256 text)`;
  const json = [JSON.stringify(rows)];
  await query(`delete from image.reader_user`);
  await query(`delete from image.reader_role`);
  await query(`delete from image.reader_organization`);
  await query(`delete from blob.blocked`);
  await query(`delete from pack.reader_user`);
  await query(`delete from pack.member`);
  for (const name of owners)
    await query(
      `update account."user" set deleted_at = case when $2 then now() end, disabled_at = case when $3 then now() end where id = $1`,
      [userIds[name], hidden[name], disabled[name]],
    );
  await query(
    `update pack.pack set owner_id = $2, visibility = $3, deleted_at = case when $4 then now() end where id = $1`,
    [packId, userIds[pack.owner], pack.visibility, pack.deleted],
  );
  await query(`insert into pack.member (pack_id, user_id, role) values ($1, $2, 'publisher')`, [
    packId,
    userIds.member,
  ]);
  if (pack.reader)
    await query(`insert into pack.reader_user (pack_id, user_id) values ($1, $2)`, [packId, userIds.guest]);
  await query(
    `update image.album a set owner_id = v.owner, pack_id = case v.page when 'pack' then $2::uuid end,
        organization_id = case v.page when 'guild' then $3::uuid end, event_id = case v.page when 'fair' then $4::uuid end, visibility = v.visibility
      from jsonb_to_recordset($1::jsonb) v (id uuid, owner uuid, page text, visibility text) where a.id = v.id`,
    [JSON.stringify(albumRows), packId, guildId, fairId],
  );
  await query(
    `update event.event set owner_id = $2, organization_id = $3::uuid, visibility = $4, state = $5, deleted_at = case when $6 then now() end where id = $1`,
    [
      fairId,
      userIds[fair.owner === "guild" ? "bob" : fair.owner],
      fair.owner === "guild" ? guildId : null,
      fair.visibility,
      fair.state,
      fair.deleted,
    ],
  );
  await query(`update event.registration set state = $1`, [fair.seat]);
  await query(
    `update organization.organization set visibility = $2, deleted_at = case when $3 then now() end where id = $1`,
    [guildId, guild.visibility, guild.deleted],
  );
  await query(
    `update image.share s set revoked_at = case v.link when 'revoked' then now() end, expires_at = case v.link when 'expired' then now() - interval '1 second' end
      from jsonb_to_recordset($1::jsonb) v ("shareId" uuid, link text) where s.id = v."shareId"`,
    [JSON.stringify(albumRows)],
  );
  await query(
    `update image.image i set owner_id = v.owner, state = v.state, visibility = v.visibility, album_id = v.album from ${asImages} where i.id = v.id`,
    json,
  );
  await query(
    `insert into image.reader_user (image_id, user_id) select v.id, $2::uuid from ${asImages} where v.users`,
    [...json, userIds.guest],
  );
  await query(
    `insert into image.reader_role (image_id, role) select v.id, 'friend' from ${asImages} where v.roles`,
    json,
  );
  await query(
    `insert into image.reader_organization (image_id, organization_id) select v.id, $2::uuid from ${asImages} where v.guild`,
    [...json, guildId],
  );
  await query(
    `insert into blob.blocked (sha256, reason) select v.sha256, 'test' from ${asImages} where v.blocked`,
    json,
  );
}

/** Waits until no process remembers what was before: the API tells of its own changes, and these were not made by it. */
async function forget(world: World): Promise<void> {
  const anonymous = { user: null, share: null };
  const expected = expectedOf(world, anonymous);
  for (const url of system.apiUrls)
    await waitFor(async () => {
      for (const name of owners)
        for (const topic of ["images.changed", "user.changed"]) bus.publish(topic, userIds[name] ?? "", { now: true });
      const told = await listsOf(openCall(url));
      return Object.entries(told).every(([name, found]) => Bun.deepEquals(found, expected[name]));
    }, "what is remembered to be forgotten");
}

// Who may see it: the model ------------------------------------------------------------------------------------------------
type Viewer = { user: string | null; share: number | null };

type Role = "editor" | "contributor" | "member" | "reader" | null;

/** What somebody is to the pack: its owner, a member, a reader, or nothing. */
function roleInPack({ pack, hidden }: World, { user }: Viewer): Role {
  if (pack.deleted || hidden[pack.owner]) return null;
  if (user === pack.owner || user === "admin") return "editor";
  if (user === "member") return "member";
  return pack.visibility !== "private" || (user === "guest" && pack.reader) ? "reader" : null;
}

function roleInGuild({ guild }: World, { user }: Viewer): Role {
  if (guild.deleted) return null;
  if (user === "ann" || user === "admin") return "editor";
  return user === "member" ? "contributor" : guild.visibility === "private" ? null : "reader";
}

/** What somebody is to the event: whoever has a seat contributes to what is not its organizers' alone. */
function roleInFair(world: World, { user }: Viewer): Role {
  const { fair, hidden } = world;
  const isOfGuild = fair.owner === "guild";
  if (fair.deleted || (fair.owner !== "guild" && hidden[fair.owner])) return null;
  const inGuild = isOfGuild ? roleInGuild(world, { user, share: null }) : null;
  if (user === "admin" || user === fair.owner || inGuild === "editor") return "editor";
  if (fair.state === "draft") return null;
  const isGuest = user === "guest" && fair.seat !== "cancelled";
  if (fair.visibility === "members" && inGuild !== "contributor" && !isGuest) return null;
  return isGuest && fair.seat !== "no-show" ? "contributor" : "reader";
}

const roles = { pack: roleInPack, guild: roleInGuild, fair: roleInFair };

function roleIn(world: World, { album, viewer }: { album: AlbumState; viewer: Viewer }): Role {
  if (album.page !== null) {
    const role = roles[album.page](world, viewer);
    const isKept = album.page === "fair" && album.visibility === "private";
    return isKept && role === "contributor" ? "reader" : role;
  }
  if (world.hidden[album.owner]) return null;
  return viewer.user === album.owner || viewer.user === "admin" ? "editor" : "reader";
}

function canViewAlbum(world: World, { n, viewer }: { n: number; viewer: Viewer }): boolean {
  const album = world.albums[n];
  if (!album) return false;
  const role = roleIn(world, { album, viewer });
  const isThere = roleIn(world, { album, viewer: { user: "admin", share: null } }) !== null;
  if (isThere && viewer.share === n && album.link === "good") return true;
  if (role === "reader") return album.visibility === "page" ? album.page !== null : album.visibility !== "private";
  return role !== null;
}

function canView(world: World, { n, viewer }: { n: number; viewer: Viewer }): boolean {
  const image = world.images[n];
  if (!image || image.blocked || world.hidden[image.owner]) return false;
  if (viewer.user === image.owner || viewer.user === "admin") return true;
  if (image.state !== "ready" || image.visibility === "private") return isNamed(world, { image, viewer });
  if (image.visibility !== "album") return true;
  return isNamed(world, { image, viewer }) || (image.album !== null && canViewAlbum(world, { n: image.album, viewer }));
}

function isNamed({ guild }: World, { image, viewer: { user } }: { image: ImageState; viewer: Viewer }): boolean {
  if (image.state !== "ready") return false;
  if (user === "ann" || user === "member") return image.guild && !guild.deleted;
  return (image.users && user === "guest") || (image.roles && user === "friend");
}

// What is told, and to whom ------------------------------------------------------------------------------------------------
const viewers: Viewer[] = [
  ...[null, ...owners, "stranger", "guest", "friend", "member", "admin"].map((user) => ({ user, share: null })),
  ...Array.from({ length: albumCount }, (_, share) => ({ user: null, share })),
  { user: "guest", share: 0 },
];

const numbers = <Item>(items: Item[]) => items.map((_, n) => n);
const imagesIn = (world: World, n: number, viewer: Viewer): number[] =>
  numbers(world.images).filter(
    (i) => world.images[i]?.album === n && world.images[i]?.state === "ready" && canView(world, { n: i, viewer }),
  );

/** What the model says that each address answers to this viewer. */
function expectedOf(world: World, viewer: Viewer): Record<string, unknown> {
  const told: Record<string, unknown> = {};
  for (const n of numbers(world.images)) {
    const sees = canView(world, { n, viewer });
    told[`image ${n}`] = sees ? 200 : 404;
    for (const variant of variants)
      told[`image ${n} ${variant}`] = !sees ? 404 : world.images[n]?.state === "ready" ? 307 : 409;
  }
  for (const n of numbers(world.albums)) {
    const sees = canViewAlbum(world, { n, viewer });
    const album = world.albums[n];
    told[`album ${n}`] = sees && album ? (roleIn(world, { album, viewer }) ?? "reader") : 404;
    told[`images of album ${n}`] = sees ? imagesIn(world, n, viewer) : 404;
  }
  for (const name of owners) {
    const isAway = world.hidden[name] || world.disabled[name];
    const listed = numbers(world.albums).filter((n) => {
      const album = world.albums[n];
      if (!album || album.owner !== name || album.page !== null || !canViewAlbum(world, { n, viewer })) return false;
      return album.visibility === "public" || roleIn(world, { album, viewer }) === "editor";
    });
    told[`albums of ${name}`] = isAway ? 404 : listed;
    for (const place of ["images", "profile"])
      told[`${place} of ${name}`] = isAway ? 404 : listedImages(world, { name, viewer });
  }
  for (const page of pages) {
    const listed = numbers(world.albums).filter((n) => {
      const album = world.albums[n];
      if (album?.page !== page) return false;
      return roleIn(world, { album, viewer }) !== "reader" || ["page", "public"].includes(album.visibility);
    });
    const isShown = roles[page](world, viewer) !== null;
    told[`galleries of the ${page}`] = isShown ? listed : 404;
    if (page !== "pack") told[`page of the ${page}`] = isShown ? listed : 404;
  }
  told.archive = canViewAlbum(world, { n: world.packed, viewer }) ? imagesIn(world, world.packed, viewer) : 404;
  return told;
}

/** Nothing that is only for those who have its address, except for whom it names. */
function listedImages(world: World, { name, viewer }: { name: Owner; viewer: Viewer }): number[] {
  return numbers(world.images).filter((n) => {
    const image = world.images[n];
    if (!image || image.owner !== name || image.state !== "ready" || !canView(world, { n, viewer })) return false;
    if (
      viewer.user === name ||
      viewer.user === "admin" ||
      image.visibility === "public" ||
      isNamed(world, { image, viewer })
    )
      return true;
    if (image.visibility !== "album" || image.album === null) return false;
    const { visibility } = world.albums[image.album] ?? {};
    const alone = { user: viewer.user, share: null };
    return (visibility === "public" || visibility === "page") && canViewAlbum(world, { n: image.album, viewer: alone });
  });
}

async function toldTo(world: World, viewer: Viewer): Promise<Record<string, unknown>> {
  const token = viewer.user === null ? undefined : users[viewer.user]?.token;
  const share = viewer.share === null ? undefined : albums[viewer.share]?.grant;
  const headers = share === undefined ? {} : { share };
  const plain = openCall(system.url, token);
  const call: typeof plain = (method, path, options) => plain(method, path, { headers, ...options });
  const told: Record<string, unknown> = {};
  const list = async (name: string, path: string, of: { id: string }[]) => {
    told[name] = numbersOf(await call("GET", path), of);
  };
  const asked = [
    ...images.map(async ({ id }, n) => {
      told[`image ${n}`] = (await call("GET", `/v1/images/${id}`)).status;
    }),
    ...images.flatMap(({ id }, n) =>
      variants.map(async (variant, at) => {
        const method = (n + at) % 2 ? "HEAD" : "GET";
        told[`image ${n} ${variant}`] = (await call(method, `/v1/images/${id}/${variant}`)).status;
      }),
    ),
    ...albums.flatMap(({ id }, n) => [
      call("GET", `/v1/albums/${id}`).then(({ status, json }) => {
        told[`album ${n}`] = status === 200 ? json.role : status;
      }),
      list(`images of album ${n}`, `/v1/albums/${id}/images`, images),
    ]),
    listsOf(call).then((lists) => void Object.assign(told, lists)),
    list("galleries of the pack", "/v1/packs/castle/albums", albums),
    list("galleries of the guild", "/v1/organizations/guild/albums", albums),
    list("galleries of the fair", "/v1/events/fair/albums", albums),
    list("page of the guild", "/v1/organizations/guild", albums),
    list("page of the fair", "/v1/events/fair", albums),
    fetchArchive(call, albums[world.packed]?.id ?? "").then((found) => {
      told.archive = found;
    }),
  ];
  await Promise.all(asked);
  return told;
}

/** What the lists of each owner show. */
async function listsOf(call: TestUser["call"]): Promise<Record<string, unknown>> {
  const lists = owners.flatMap((name) => [
    call("GET", `/v1/users/${name}/albums`).then((answer) => [`albums of ${name}`, numbersOf(answer, albums)]),
    call("GET", `/v1/users/${name}/images`).then((answer) => [`images of ${name}`, numbersOf(answer, images)]),
    call("GET", `/v1/users/${name}`).then((answer) => [`profile of ${name}`, numbersOf(answer, images)]),
  ]);
  return Object.fromEntries(await Promise.all(lists));
}

/** Which of these an answer lists, or its status. */
function numbersOf({ status, json }: Answer, of: { id: string }[]): number[] | number {
  if (status !== 200) return status;
  const items = json.items ?? json.images?.items ?? json.albums;
  return items.map(({ id }: any) => of.findIndex((item) => item.id === id)).sort();
}

/** The images in the archive that a viewer gets; nothing in it is 409 by its address. */
async function fetchArchive(call: TestUser["call"], albumId: string): Promise<number[] | number> {
  const path = `/v1/albums/${albumId}/archive`;
  const asked = await call("POST", path);
  if (asked.status === 409) {
    expect((await call("GET", path)).status).toBe(404);
    return [];
  }
  if (asked.status === 202) await waitForJob({ call }, asked.json.job.id);
  const { status, headers } = await call("GET", path);
  if (status !== 307) return status;
  const file = join(folder, `${Bun.randomUUIDv7()}.zip`);
  await Bun.write(file, await fetch(headers.get("location") ?? ""));
  const names = await Bun.$`unzip -Z1 ${file}`.text();
  return [...names.matchAll(/image-(\d+)\.webp$/gm)].map(([, n]) => Number(n)).sort();
}

/** What each link opens for whoever has it. */
async function opened(n: number): Promise<number[] | string> {
  const body = { token: albums[n]?.token, ...(n === locked && { password }) };
  const { status, json } = await system.call("POST", "/v1/shares/open", { body });
  if (status !== 200) return `${status} ${json.passwordNeeded ?? ""}`;
  return json.images.map(({ id }: any) => images.findIndex((image) => image.id === id)).sort();
}

test("page, JSON, lists, every variant and the archive show an image to the same people", async () => {
  let seen = 0;
  await fc.assert(
    fc.asyncProperty(world, async (world) => {
      await arrange(world);
      await forget(world);
      for (const viewer of viewers) {
        const [told, expected] = [await toldTo(world, viewer), expectedOf(world, viewer)];
        expect({ viewer, ...told }).toEqual({ viewer, ...expected });
        seen += numbers(world.images).filter((n) => canView(world, { n, viewer })).length;
      }
      for (const n of numbers(world.albums)) {
        const viewer = { user: null, share: n };
        const isOpen = world.albums[n]?.link === "good" && canViewAlbum(world, { n, viewer });
        expect([n, await opened(n)]).toEqual([n, isOpen ? imagesIn(world, n, viewer) : "404 "]);
      }
    }),
    { numRuns: long ? 150 : 6, endOnFailure: true },
  );
  expect(seen).toBeGreaterThan(0);
}, 600_000);
