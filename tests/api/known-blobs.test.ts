import { afterAll, beforeAll, expect, test } from "bun:test";
import { type Location, openKnownBlobs } from "../../api/blobs/known-blobs.ts";
import type { Deps } from "../../deps.ts";
import { openTestDeps, waitFor } from "../harness.ts";

let deps: Deps;
beforeAll(async () => {
  deps = await openTestDeps();
});
afterAll(() => deps?.close());

const at = (key: string): Location => ({ key, access: "public" });
const keyOf = (location: Location | undefined) => location && "key" in location && location.key;

test("a stampede asks once, then memory answers until the time is over", async () => {
  const known = openKnownBlobs({ bus: deps.bus, keepMs: 200 });
  let looks = 0;
  const ask = () => known.ask("a", async () => at(`look ${++looks}`));
  const answers = await Promise.all(Array.from({ length: 200 }, ask));
  expect(new Set(answers.map(keyOf))).toEqual(new Set(["look 1"]));
  expect(keyOf(await ask())).toBe("look 1");
  await waitFor(async () => keyOf(await ask()) === "look 2", "the time to be over", 1_000);
});

test("a failure is told to all who wait, and not remembered", async () => {
  const known = openKnownBlobs({ bus: deps.bus, keepMs: 60_000 });
  const fail = () => known.ask("a", () => Promise.reject(new Error("away")));
  const told = await Promise.allSettled([fail(), fail()]);
  expect(told.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
  expect(keyOf(await known.ask("a", async () => at("here")))).toBe("here");
});

test("what is changed in a pack is forgotten at once, also what is just being asked", async () => {
  const known = openKnownBlobs({ bus: deps.bus, keepMs: 60_000 });
  await known.ask("a", async () => at("old"));
  const slow = Promise.withResolvers<Location>();
  const before = known.ask("b", () => slow.promise);
  deps.bus.publish("pack.changed", "any");
  expect(keyOf(await known.ask("a", async () => at("new")))).toBe("new");
  expect(keyOf(await known.ask("b", async () => at("new")))).toBe("new");
  slow.resolve(at("old"));
  expect(keyOf(await before)).toBe("old");
  expect(keyOf(await known.ask("b", async () => at("newer")))).toBe("new");
});

test("who asks later is not told what was asked for long ago and is not answered yet", async () => {
  const bus = { subscribe: () => () => undefined }; // the tests before this one are still heard on the other
  const known = openKnownBlobs({ bus, keepMs: 20 });
  const slow = Promise.withResolvers<Location>();
  const first = known.ask("a", () => slow.promise);
  const start = performance.now();
  await waitFor(() => performance.now() - start > 25);
  expect(keyOf(await known.ask("a", async () => at("new")))).toBe("new");
  slow.resolve(at("old"));
  expect(keyOf(await first)).toBe("old");
});

test("the oldest go where there are too many", async () => {
  const known = openKnownBlobs({ bus: deps.bus, keepMs: 60_000, most: 2 });
  for (const name of ["a", "b", "c"]) await known.ask(name, async () => at(`old ${name}`));
  const now = await Promise.all(["a", "b", "c"].map((name) => known.ask(name, async () => at(`new ${name}`))));
  expect(keyOf(now[0])).toBe("new a");
  expect(keyOf(now[2])).toBe("old c");
});
