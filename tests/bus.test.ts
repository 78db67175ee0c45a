import { expect, test } from "bun:test";
import { openBus } from "../db/bus.ts";
import { openPostgres } from "../db/postgres.ts";
import { startFaultProxy, throughProxy } from "./fault-proxy.ts";
import { createTestDatabase, testLog, waitFor } from "./harness.ts";

test("a bus on PostgreSQL that is away tries again at a steady pace, and hears again when it is back", async () => {
  const url = await createTestDatabase();
  const proxy = startFaultProxy({ targetPort: Number(new URL(url).port) });
  const direct = openPostgres(url, { max: 1, log: testLog, name: "test" });
  const sender = await openBus({ redisUrl: undefined, databaseUrl: url, db: direct, log: testLog });
  const bus = await openBus({ redisUrl: undefined, databaseUrl: throughProxy(url, proxy), db: direct, log: testLog });
  const heard = new Set<string>();
  bus.subscribe("revoked", (id) => heard.add(id));
  let sent = 0;
  const hears = () =>
    waitFor(() => {
      const id = `id-${++sent}`;
      sender.publish("revoked", id, { now: true });
      return heard.size > 0;
    }, "the bus to hear");
  try {
    await hears();
    proxy.cut();
    const before = proxy.count();
    const cutAt = performance.now();
    await waitFor(() => performance.now() - cutAt > 6_000, "some failures");
    // Every half second; doubling would have made hundreds of them.
    expect(proxy.count() - before).toBeWithin(2, 15);
    heard.clear();
    proxy.heal();
    await hears();
  } finally {
    await bus.close();
    await sender.close();
    await direct.close();
    proxy.stop();
  }
});
