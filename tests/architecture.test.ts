import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { actors } from "../queues/index.ts";
import { blankTexts, lineOf, readSources, resolveImport, type SourceFile } from "./source-files.ts";

const sources = readSources();
const byPath = new Map(sources.map((source) => [source.path, source]));
const folderOf = (path: string) => (path.includes("/") ? path.slice(0, path.indexOf("/")) : "root");

/** What each folder may import besides itself. */
const arrows: Record<string, string[]> = {
  api: ["queues", "db", "storage", "backup", "formats", "root"],
  workers: ["queues", "db", "storage", "backup", "formats", "root"],
  queues: ["root"],
  db: ["root"],
  storage: ["root"],
  backup: ["db", "storage", "root"],
  // What launchers read, as pure functions of a manifest.
  formats: ["root"],
  gateway: [],
  cli: ["api", "workers", "queues", "db", "storage", "backup", "formats", "root"],
  root: [],
};

/** Root modules that put the parts together. */
const composers = ["main.ts", "deps.ts"];

/** Arrows against the picture, each with its reason. */
const exceptions: Record<string, string> = {
  "queues/mailbox.ts > db/job.ts": "a wish is a row of job.job: whoever sends must raise it in his own transaction",
  "queues/mailbox.ts > db/query.ts": "the type of that transaction",
  // A test reads the sources of tests to start their services: the command for developers.
  "cli/test.ts > tests/test-run.ts": "`sunduk test` starts what the tests share",
  "cli/test.ts > tests/services/cluster.ts": "`sunduk test` says which services it found",
};

test("imports follow the arrows: api and workers to queues, db, storage, and these to root modules only", () => {
  const wrong: string[] = [];
  for (const { path, imports } of sources) {
    const from = folderOf(path);
    for (const { specifier, line, kind } of imports) {
      const target = resolveImport(path, specifier);
      if (target === undefined || composers.includes(path) || `${path} > ${target}` in exceptions) continue;
      const to = folderOf(target);
      // A type of deps.ts is how everybody names the parts he takes; its values are for those who start a process.
      if (composers.includes(target) && kind !== "type" && from !== "cli") wrong.push(`${path}:${line} > ${target}`);
      else if (from !== to && !arrows[from]?.includes(to) && !isHandler({ path, target, kind }))
        wrong.push(`${path}:${line} > ${target}`);
    }
  }
  expect(wrong).toEqual([]);
});

/** An actor names its handler without loading it. */
function isHandler({ path, target, kind }: { path: string; target: string; kind: string }): boolean {
  return kind === "dynamic" && path.startsWith("queues/") && target === path.replace("queues/", "workers/");
}

test("every exception to the arrows is still needed", () => {
  for (const arrow of Object.keys(exceptions)) {
    const [from = "", to = ""] = arrow.split(" > ");
    const used = byPath.get(from)?.imports.some(({ specifier }) => resolveImport(from, specifier) === to);
    expect([arrow, used]).toEqual([arrow, true]);
  }
});

test("no module imports itself by way of others", () => {
  const state = new Map<string, "open" | "done">();
  const cycles: string[] = [];
  const visit = (path: string, trail: string[]) => {
    if (state.get(path) === "done") return;
    if (state.get(path) === "open") return void cycles.push([...trail.slice(trail.indexOf(path)), path].join(" > "));
    state.set(path, "open");
    for (const target of valueImports(path)) visit(target, [...trail, path]);
    state.set(path, "done");
  };
  for (const { path } of sources) visit(path, []);
  expect(cycles).toEqual([]);
});

/** Types are gone at run time and may point back; what is loaded later is not part of a cycle. */
function valueImports(path: string): string[] {
  return (byPath.get(path)?.imports ?? [])
    .filter(({ kind }) => kind === "value")
    .flatMap(({ specifier }) => resolveImport(path, specifier) ?? []);
}

/** Packages that only some places may know. */
const packages: [name: RegExp, places: RegExp][] = [
  [/^(elysia|@elysiajs\/|@bull-board\/)/, /^api\//],
  [/^bullmq$/, /^(queues\/|workers\/)/],
  [/^minio$/, /^storage\/s3(-[a-z]+)?\.ts$/],
  [/^pg$/, /^(db|queues)\//],
  [/^pg-copy-streams$/, /^db\//],
  [/^ioredis$/, /^(db|queues)\//],
  [/^prom-client$/, /^api\//],
  [/^pino$/, /^log\.ts$/],
  // What strangers have sent is decoded in a process of its own.
  [/^sharp$/, /^workers\/decode\//],
];

test("packages stay where they belong", () => {
  const wrong = sources.flatMap(({ path, imports }) =>
    imports
      .filter(({ specifier }) => packages.some(([name, places]) => name.test(specifier) && !places.test(path)))
      .map(({ specifier, line }) => `${path}:${line} imports ${specifier}`),
  );
  expect(wrong).toEqual([]);
});

test("the environment is read by config.ts, main.ts and the commands only", () => {
  expect(findCode(/\bprocess\.env\b|\bBun\.env\b/g, (path) => !/^(config\.ts|main\.ts|cli\/)/.test(path))).toEqual([]);
});

test("the commands for players and authors load no part of the server", () => {
  const server = /^(api|workers|queues|db|storage)\/|^(deps|main|config|keys|secrets|data-folder)\.ts$/;
  const starts = sources
    .map(({ path }) => path)
    .filter((path) => /^cli\/((pack|install|publish|source)\/|(index|login|client)\.ts$)/.test(path));
  expect(starts.length).toBeGreaterThan(20);
  const loaded = new Map<string, string>(starts.map((path) => [path, path]));
  for (const [path, trail] of loaded)
    for (const target of valueImports(path)) if (!loaded.has(target)) loaded.set(target, `${trail} > ${target}`);
  expect([...loaded].filter(([path]) => server.test(path)).map(([, trail]) => trail)).toEqual([]);
});

test("no file or folder is called after nothing", () => {
  const empty = /(^|\/)(utils?|lib|libs|common|types?|helpers?|misc|shared|src)(\.ts|\/)/;
  expect(sources.map(({ path }) => path).filter((path) => empty.test(path))).toEqual([]);
  const shape = /^([a-z0-9]+(-[a-z0-9]+)*\/)*[a-z0-9]+(-[a-z0-9]+)*\.ts$/;
  expect(sources.map(({ path }) => path).filter((path) => !shape.test(path))).toEqual([]);
});

test("every actor is in the list, is called as its file, and has a handler of that name", () => {
  const plumbing = ["actor", "connection", "index", "mailbox", "postgres-pool"];
  const files = sources
    .filter(({ path }) => path.startsWith("queues/"))
    .map(({ path }) => path.slice("queues/".length, -".ts".length))
    .filter((name) => !plumbing.includes(name));
  expect(actors.map(({ name }) => name).sort()).toEqual(files);
  for (const name of files) {
    expect(byPath.get(`workers/${name}.ts`)?.text).toMatch(
      /^export (const handle\b|async function handle\b|\{ handle)/m,
    );
    const declared = byPath.get(`queues/${name}.ts`)?.imports.map(({ kind, specifier }) => `${kind} ${specifier}`);
    expect(declared).toContain(`dynamic ../workers/${name}.ts`);
  }
});

/** Casts that the types cannot do without, each with its reason. */
const casts: Record<string, string> = {
  "db/": "rows are the caller's word; each statement is checked against the schema",
  "workers/run.ts": "the list of actors has lost what each one takes; the payload is checked just before",
};

test("nothing is cast, and no check is switched off", () => {
  const cast = /(?<!\bimport [^;]*|\bexport (type )?\{[^}]*|\*)\s\bas (?!const\b)/g;
  expect(findCode(cast, (path) => !Object.keys(casts).some((place) => path.startsWith(place)))).toEqual([]);
  const suppressions = sources.flatMap(({ path, text }) =>
    [...text.matchAll(/biome-ignore|@ts-(ignore|expect-error|nocheck)/g)].map(
      ({ index }) => `${path}:${lineOf(text, index)}`,
    ),
  );
  expect(suppressions).toEqual([]);
});

test("no file does so much that it needs more than 250 lines", () => {
  const long = sources.map(({ path, text }) => ({ path, lines: text.split("\n").length - 1 }));
  expect(long.filter(({ lines }) => lines > 250).map(({ path, lines }) => `${path}: ${lines} lines`)).toEqual([]);
});

test("SQL stands in db/ only", () => {
  const statement = /[`"](select|insert into|update|delete from|with) [\w*("$]/i;
  const wrong = sources
    .filter(({ path }) => !/^(db|queues)\//.test(path))
    .flatMap(({ path, text }) =>
      text
        .split("\n")
        .flatMap((line, index) =>
          statement.test(line) && /\b(from|into|set|as|1)\b/.test(line) ? [`${path}:${index + 1}`] : [],
        ),
    );
  expect(wrong).toEqual([]);
});

test("nothing names a machine, and nothing is imported that is not in the repository", () => {
  const missing = sources.flatMap(({ path, imports }) =>
    imports.flatMap(({ specifier, line }) => {
      const target = resolveImport(path, specifier);
      return target !== undefined && !existsSync(join(import.meta.dir, "..", target))
        ? [`${path}:${line} ${target}`]
        : [];
    }),
  );
  expect(missing).toEqual([]);
  expect(findText(/\/(home|root|work)\/\w|\.\.\/shared\b/g)).toEqual([]);
});

function findCode(pattern: RegExp, applies: (path: string) => boolean): string[] {
  return sources
    .filter(({ path }) => applies(path))
    .flatMap(({ path, code }) => [...code.matchAll(pattern)].map(({ index }) => `${path}:${lineOf(code, index + 1)}`));
}

function findText(pattern: RegExp): string[] {
  return sources.flatMap(({ path, text }: SourceFile) =>
    [...text.matchAll(pattern)].map(({ index }) => `${path}:${lineOf(text, index)}`),
  );
}

test("the reader of sources tells code from texts", () => {
  const text = ['a as B; "x as y"; `as $', '{b as C} as`; // as\n/* as */ /as"/.test(z) as D; c / d as E;'].join("");
  const blanked = blankTexts(text);
  expect(blanked.match(/\bas \w/g)).toEqual(["as B", "as C", "as D", "as E"]);
  expect(blanked.length).toBe(text.length);
  expect(blanked.split("\n").length).toBe(2);
});
