import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { openKnownImages } from "../../api/images/known-images.ts";
import type { Revocations } from "../../api/revocations.ts";
import { openProcessRevocations } from "../../api/serve.ts";
import type { Viewer } from "../../db/image.ts";
import { insertRevocation } from "../../db/revocation.ts";
import type { Deps } from "../../deps.ts";
import { openTestDeps, waitFor } from "../harness.ts";

let deps: Deps;
let revocations: Revocations;
beforeAll(async () => {
  deps = await openTestDeps();
  revocations = openProcessRevocations(deps);
});
afterAll(async () => {
  await revocations?.close();
  await deps?.close();
});

/** A bus on which every hint gets lost. */
const deaf = { publish: () => undefined, subscribe: () => () => undefined, close: async () => undefined };

type Item = { id: string; visibility: string };
const nobody: Viewer = { userId: null, roles: [], shareId: null };
const asUser = (userId: string, more: Partial<Viewer> = {}): Viewer => ({ ...nobody, userId, ...more });

/** Images that say how often they were looked up. */
function openCounted({
  visibility = "public",
  ...options
}: {
  visibility?: string;
  keepMs?: number;
  most?: number;
  deaf?: boolean;
} = {}) {
  let looks = 0;
  const { deaf: isDeaf = false, ...rest } = options;
  const known = openKnownImages<Item>({
    bus: isDeaf ? deaf : deps.bus,
    revocations,
    look: async () => [{ id: `look ${++looks}`, visibility }],
    keepMs: 60_000,
    ...rest,
  });
  const ownerId = Bun.randomUUIDv7();
  const find = async (viewer: Viewer = nobody, of = ownerId) =>
    Number((await known.listFirst({ ownerId: of, viewer, limit: 1 }))[0]?.id.slice(5));
  return { ownerId, find };
}

describe("openKnownImages()", () => {
  test("remembers what nobody sees, and what nobody else does", async () => {
    const { ownerId, find } = openCounted();
    expect([await find(), await find()]).toEqual([1, 1]);
    const others = [
      asUser(ownerId),
      asUser(Bun.randomUUIDv7()),
      asUser(Bun.randomUUIDv7(), { roles: ["admin"] }),
      { ...nobody, shareId: Bun.randomUUIDv7() },
      { ...nobody, roles: ["author"] },
    ];
    let looks = 1;
    for (const viewer of others) {
      expect(await find(viewer)).toBe(++looks);
      expect(await find(viewer)).toBe(++looks);
    }
    expect(await find()).toBe(1);
  });

  test("looks again when the time is over", async () => {
    const { find } = openCounted({ keepMs: 50 });
    const before = await find();
    await waitFor(async () => (await find()) > before, "the time to be over", 1_000);
  });

  test("forgets an owner whose images change, and no other", async () => {
    const { ownerId, find } = openCounted();
    const other = Bun.randomUUIDv7();
    expect([await find(), await find(nobody, other)]).toEqual([1, 2]);
    deps.bus.publish("images.changed", ownerId);
    expect([await find(), await find(nobody, other)]).toEqual([3, 2]);
  });

  test("forgets what is shown because of an album when any page or user changes, and nothing else", async () => {
    for (const [topic, subject] of [
      ["pack.changed", "some-pack"],
      ["event.changed", Bun.randomUUIDv7()],
      ["organization.changed", Bun.randomUUIDv7()],
      ["user.changed", Bun.randomUUIDv7()],
    ] as const) {
      const inAlbum = openCounted({ visibility: "album" });
      const byItself = openCounted();
      for (const { find } of [inAlbum, byItself]) expect(await find()).toBe(1);
      deps.bus.publish(topic, subject);
      expect([await inAlbum.find(), await byItself.find()]).toEqual([2, 1]);
    }
  });

  test("forgets who was disabled or deleted within a second, although every hint gets lost", async () => {
    const { ownerId, find } = openCounted({ deaf: true });
    expect([await find(), await find()]).toEqual([1, 1]);
    await insertRevocation(deps.db, { kind: "user", subject: ownerId, ver: 1 });
    await waitFor(async () => (await find()) === 2, "the images to be looked up again", 1_000);
  });

  test("does not remember what was read before a change that came meanwhile", async () => {
    const slow = Promise.withResolvers<Item[]>();
    const made = (look: number): Item[] => [{ id: `look ${look}`, visibility: "public" }];
    let looks = 0;
    const look = () => (++looks === 1 ? slow.promise : Promise.resolve(made(2)));
    const known = openKnownImages<Item>({ bus: deps.bus, revocations, look, keepMs: 60_000 });
    const ownerId = Bun.randomUUIDv7();
    const find = async () => (await known.listFirst({ ownerId, viewer: nobody, limit: 1 }))[0]?.id;
    const asked = find();
    deps.bus.publish("images.changed", ownerId);
    slow.resolve(made(1));
    expect(await asked).toBe("look 1");
    expect(await find()).toBe("look 2");
    expect(await find()).toBe("look 2");
    expect(looks).toBe(2);
  });

  test("answers with as many as are asked for, whatever was asked for before", async () => {
    const all = Array.from({ length: 30 }, (_, index) => ({ id: `${index}`, visibility: "public" }));
    const look = async ({ limit }: { limit: number }) => all.slice(0, limit);
    const known = openKnownImages<Item>({ bus: deps.bus, revocations, look });
    const ownerId = Bun.randomUUIDv7();
    for (const viewer of [nobody, asUser(ownerId), asUser(Bun.randomUUIDv7())])
      for (const limit of [3, 20, 101, 3])
        expect(await known.listFirst({ ownerId, viewer, limit })).toEqual(all.slice(0, limit));
  });

  test("remembers no more images than it may", async () => {
    const { find } = openCounted({ most: 8 });
    const owners = Array.from({ length: 10 }, () => Bun.randomUUIDv7());
    for (const owner of owners) await find(nobody, owner);
    expect(await find(nobody, owners[9])).toBe(10);
    expect(await find(nobody, owners[6])).toBe(7);
    expect(await find(nobody, owners[0])).toBe(11); // long forgotten
  });
});
