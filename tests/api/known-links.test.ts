import { expect, test } from "bun:test";
import { openKnownLinks } from "../../api/links/known-links.ts";
import type { GoodLink } from "../../db/link.ts";
import type { Db } from "../../db/query.ts";
import { waitFor } from "../harness.ts";

type Rows = { rows: unknown[]; rowCount: number };
const link = (id: string): GoodLink => ({ id, packId: "p", slug: "castle", channel: null });

/** A database whose answers come when the test says so, and a bus that it speaks on. */
function arrange(keepMs: number) {
  const asked: ((found?: GoodLink) => void)[] = [];
  const listeners = new Map<string, (id: string) => void>();
  const db: Db = {
    query: () => {
      const { promise, resolve } = Promise.withResolvers<Rows>();
      asked.push((found) => resolve({ rows: found ? [found] : [], rowCount: found ? 1 : 0 }));
      return promise;
    },
  };
  const bus = {
    subscribe: (topic: string, listener: (id: string) => void) => {
      listeners.set(topic, listener);
      return () => undefined;
    },
  };
  return {
    asked,
    say: (topic: string, id: string) => listeners.get(topic)?.(id),
    known: openKnownLinks({ db, bus, keepMs }),
  };
}

test("a stampede asks once, and memory answers until the link has ended", async () => {
  const { known, asked, say } = arrange(60_000);
  const waiting = Array.from({ length: 200 }, () => known.ask("t"));
  expect(asked.length).toBe(1);
  asked[0]?.(link("1"));
  expect(new Set(await Promise.all(waiting)).size).toBe(1);
  expect(known.find("t")?.id).toBe("1");
  expect(known.find("other")).toBeUndefined();
  say("link.ended", "1");
  expect(known.find("t")).toBeUndefined();
});

test("what was asked before a link ended is neither kept nor told to who asks afterwards", async () => {
  for (const [topic, id] of [
    ["link.ended", "1"],
    ["pack.changed", "castle"],
  ] as const) {
    const { known, asked, say } = arrange(60_000);
    const before = known.ask("t");
    say(topic, id);
    const after = known.ask("t");
    asked[1]?.();
    expect(after).rejects.toThrow("revoked");
    await after.catch(() => undefined);
    asked[0]?.(link("1"));
    expect((await before).id).toBe("1");
    expect(known.find("t")).toBeUndefined();
  }
});

test("who asks later does not wait for what was asked for long ago; a wrong token is not remembered", async () => {
  const { known, asked } = arrange(20);
  const first = known.ask("t");
  const start = performance.now();
  await waitFor(() => performance.now() - start > 25);
  const second = known.ask("t");
  asked[1]?.();
  expect(second).rejects.toThrow("wrong");
  await second.catch(() => undefined);
  asked[0]?.(link("1"));
  await first;
  expect(known.find("t")).toBeUndefined();
  void known.ask("t").catch(() => undefined);
  expect(asked.length).toBe(3);
});
