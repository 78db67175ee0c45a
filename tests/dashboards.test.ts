import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { Type as t } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { openTestApi, type TestApi } from "./api/open-test-api.ts";
import { listFamilies } from "./exposition.ts";

const folder = join(import.meta.dir, "..", "docs", "ops");
const read = (name: string) => Bun.file(join(folder, name)).text();

const Rule = t.Object({
  alert: t.String({ pattern: "^Sunduk[A-Za-z]+$" }),
  expr: t.String(),
  for: t.Optional(t.String({ pattern: "^\\d+[smh]$" })),
  labels: t.Object({ severity: t.Union([t.Literal("critical"), t.Literal("warning")]) }),
  annotations: t.Object({ summary: t.String(), description: t.String() }),
});
const Alerts = t.Object({ groups: t.Array(t.Object({ name: t.String(), rules: t.Array(Rule) })) });
const Source = t.Object({ type: t.String(), uid: t.String() });
const Panel = t.Object({
  id: t.Integer(),
  type: t.String(),
  title: t.String(),
  gridPos: t.Object({ x: t.Integer(), y: t.Integer(), w: t.Integer(), h: t.Integer() }),
  targets: t.Optional(t.Array(t.Object({ refId: t.String(), datasource: Source, expr: t.String() }))),
});
const Dashboard = t.Object({ uid: t.String(), title: t.String(), panels: t.Array(Panel) });

const { groups } = Value.Parse(Alerts, Bun.YAML.parse(await read("alerts.yml")));
const { panels } = Value.Parse(Dashboard, JSON.parse(await read("grafana/sunduk.json")));
const rules = groups.flatMap((group) => group.rules);
const targets = panels.flatMap((panel) => panel.targets ?? []);

let api: TestApi;
let families: Map<string, string>;
beforeAll(async () => {
  api = await openTestApi();
  const { text } = await api.call("GET", "/metrics");
  const type = (name: string) => new RegExp(`^# TYPE ${name} (\\w+)$`, "m").exec(text)?.[1] ?? "";
  families = new Map(listFamilies(text).map((name) => [name, type(name)]));
});
afterAll(() => api?.close());

/** Metrics of ours in an expression that /metrics does not export under that name. */
function findUnknown(expr: string): string[] {
  const names = [...expr.matchAll(/\bsunduk_\w+/g)].map(([name]) => name);
  return names.filter((name) => {
    const family = name.replace(/_(bucket|sum|count)$/, "");
    return families.get(family) === "histogram" ? family === name : !families.has(name);
  });
}

const isBalanced = (expr: string) => {
  const open: string[] = [];
  for (const sign of expr.replace(/"(\\.|[^"\\])*"/g, "").match(/[(){}[\]]/g) ?? []) {
    if ("([{".includes(sign)) open.push(sign);
    else if (open.pop() !== { ")": "(", "]": "[", "}": "{" }[sign]) return false;
  }
  return open.length === 0;
};

describe("docs/ops", () => {
  test("every metric that an alert or a panel names is exported", () => {
    expect(rules.length).toBeGreaterThan(8);
    expect(targets.length).toBeGreaterThan(15);
    for (const { expr } of [...rules, ...targets]) expect([expr, ...findUnknown(expr)]).toEqual([expr]);
    expect(findUnknown("sunduk_jobs + sunduk_nothing + sunduk_job_duration_seconds")).toEqual([
      "sunduk_nothing",
      "sunduk_job_duration_seconds",
    ]);
  });

  test("expressions are closed, and what grows only is asked for its growth", () => {
    for (const { expr } of [...rules, ...targets]) {
      expect([expr, isBalanced(expr)]).toEqual([expr, true]);
      for (const [name, , rest] of expr.replace(/"[^"]*"/g, "").matchAll(/\bsunduk_\w+_(total|bucket|count)\b([^)]*)/g))
        if (!families.get(name)?.includes("gauge")) expect([expr, rest?.includes("[")]).toEqual([expr, true]);
    }
  });

  test("alerts have names of their own, and panels do not lie on one another", () => {
    const names = rules.map(({ alert }) => alert);
    expect(new Set(names).size).toBe(names.length);
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    const places = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, index) => `${x + (index % w)} ${y + Math.floor(index / w)}`),
    );
    expect(new Set(places).size).toBe(places.length);
  });

  test("the other files are whole, and compose.yaml mounts each of them", async () => {
    for (const name of ["prometheus.yml", "loki.yml", "grafana/sources.yml", "grafana/dashboards.yml"])
      expect([name, typeof Bun.YAML.parse(await read(name))]).toEqual([name, "object"]);
    const alloy = await read("config.alloy");
    expect(isBalanced(alloy.replace(/\/\/.*$/gm, ""))).toBe(true);
    const compose = await Bun.file(join(folder, "..", "..", "compose.yaml")).text();
    const files = (await readdir(folder, { recursive: true })).filter((name) => /\.\w+$/.test(name));
    for (const name of files) expect(compose).toContain(`./docs/ops/${name}:`);
    const sources = [...(await read("grafana/sources.yml")).matchAll(/uid: (\w+)/g)].map(([, uid]) => uid);
    for (const { datasource } of targets) expect(sources).toContain(datasource.uid);
  });

  test("promtool accepts the rules, where it is installed", () => {
    const promtool = Bun.which("promtool");
    if (!promtool) return console.warn("skipped: promtool not found");
    const run = Bun.spawnSync([promtool, "check", "rules", join(folder, "alerts.yml")]);
    expect([run.exitCode, run.stderr.toString()]).toEqual([0, ""]);
  });
});
