import { expect, test } from "bun:test";
import { openCollector } from "../../api/analytics/collector.ts";
import { makeApp } from "../../api/index.ts";
import { openProcessRevocations } from "../../api/serve.ts";
import { readKeys } from "../../keys.ts";
import { elsewhere, general, routes } from "../access-table.ts";
import { openTestDeps } from "../harness.ts";

test("every route of the app is in the table of who may use it, and the table names no other", async () => {
  const deps = await openTestDeps();
  try {
    const revocations = openProcessRevocations(deps);
    const collector = openCollector(deps);
    const app = await makeApp(deps, { keys: readKeys(deps.config), features: [], revocations, collector });
    await revocations.close();
    const served = new Set(app.routes.map(({ method, path }) => `${method} ${path}`));
    const told = new Set([...Object.keys(routes), ...Object.keys(general)]);
    const unlisted = [...served].filter((route) => !told.has(route) && !elsewhere.some((known) => known.test(route)));
    expect(unlisted).toEqual([]);
    expect([...told].filter((route) => !served.has(route))).toEqual([]);
  } finally {
    await deps.close();
  }
});
