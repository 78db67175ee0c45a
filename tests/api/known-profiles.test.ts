import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Revocations } from "../../api/revocations.ts";
import { openProcessRevocations } from "../../api/serve.ts";
import { type KnownProfile, openKnownProfiles } from "../../api/users/known-profiles.ts";
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

const profile = (id: string, bio: string): KnownProfile => ({
  id,
  login: "somebody",
  displayName: "",
  bio,
  links: {},
  revision: 1,
  createdAt: new Date(0),
  avatarId: null,
});

/** Profiles that say how often they were looked up. */
function openCounted(options: { deaf?: boolean; keepMs?: number; most?: number } = {}) {
  const id = Bun.randomUUIDv7();
  let looks = 0;
  const { deaf: isDeaf = false, ...rest } = options;
  const profiles = openKnownProfiles({
    bus: isDeaf ? deaf : deps.bus,
    revocations,
    look: async (name) => (name.startsWith("nobody") ? undefined : profile(id, `look ${++looks}`)),
    keepMs: 60_000,
    ...rest,
  });
  return { id, profiles, find: async (name = "somebody") => (await profiles.find(name))?.bio };
}

describe("openKnownProfiles()", () => {
  test("looks once, and again when the time is over", async () => {
    const { find } = openCounted({ keepMs: 100 });
    expect(await Promise.all([find(), find()])).toEqual(["look 1", "look 2"]); // nobody had answered yet
    const before = await find();
    expect(await find()).toBe(before);
    await waitFor(async () => (await find()) !== before, "the time to be over", 1_000);
  });

  test("forgets somebody under all his names when he changes, and nobody else", async () => {
    const { id, find } = openCounted();
    const names = ["somebody", id];
    for (const name of names) await find(name);
    deps.bus.publish("user.changed", Bun.randomUUIDv7());
    expect([await find("somebody"), await find(id)]).toEqual(["look 1", "look 2"]);
    deps.bus.publish("user.changed", id);
    expect([await find("somebody"), await find(id)]).toEqual(["look 3", "look 4"]);
    deps.bus.publish("images.changed", id); // perhaps his avatar
    expect([await find("somebody"), await find(id)]).toEqual(["look 5", "look 6"]);
  });

  test("forgets who was disabled or deleted within a second, although every hint gets lost", async () => {
    const { id, find } = openCounted({ deaf: true });
    expect([await find(), await find()]).toEqual(["look 1", "look 1"]);
    await insertRevocation(deps.db, { kind: "user", subject: id, ver: 1 });
    await waitFor(async () => (await find()) === "look 2", "the profile to be looked up again", 1_000);
  });

  test("does not remember what was read before a change that came meanwhile", async () => {
    const slow = Promise.withResolvers<KnownProfile>();
    const id = Bun.randomUUIDv7();
    let looks = 0;
    const look = () => (++looks === 1 ? slow.promise : Promise.resolve(profile(id, "new")));
    const profiles = openKnownProfiles({ bus: deps.bus, revocations, look, keepMs: 60_000 });
    const asked = profiles.find("somebody");
    deps.bus.publish("user.changed", id);
    slow.resolve(profile(id, "old"));
    expect((await asked)?.bio).toBe("old");
    expect((await profiles.find("somebody"))?.bio).toBe("new");
  });

  test("remembers no more than it may, and nobody who is not there", async () => {
    const { find } = openCounted({ most: 8 });
    for (let index = 0; index < 50; index++) await find(`user-${index}`);
    const last = await find("user-49");
    expect(await find("user-49")).toBe(last);
    const first = await find("user-0");
    expect(first).toBe("look 51"); // long forgotten
    expect(await find("nobody-here")).toBeUndefined();
  });
});
