import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { shorten } from "../../api/packs/badge.ts";
import { readConfig } from "../../config.ts";
import { many } from "../../db/query.ts";
import { handle as rollUp } from "../../workers/roll-up.ts";
import { openCall, publishPack, type System, startSystem, type TestUser, testLog, waitFor } from "../harness.ts";

let system: System;
let author: TestUser;
let stranger: TestUser;
let operator: TestUser;

beforeAll(async () => {
  // Rolled up by the test, when it wants to know.
  system = await startSystem({
    apis: 2,
    environment: { ROLL_UP_EVERY_SECONDS: "3600", LIMIT_ANALYTICS_PER_MINUTE: "100000" },
  });
  [author, stranger, operator] = await Promise.all([
    system.signUp("author"),
    system.signUp("stranger"),
    system.signUp("operator", ["ops"]),
  ]);
  await publishPack(author, { slug: "open-pack", version: "1.0.0", files: { "a.txt": "a" } });
  await publishPack(author, { slug: "hidden-pack", version: "1.0.0", files: { "a.txt": "a" }, visibility: "private" });
}, 60_000);
afterAll(() => system?.stop());

type Raw = {
  kind: string;
  slug: string;
  version: string;
  format: string;
  launcher: string;
  source: string;
  count: number;
};

/** Answers come after 0.1 s at the latest; what a launcher tells is answered when it and all before it is written. */
const waitForCommits = () =>
  Promise.all(
    system.apiUrls.map(async (url) => {
      const told = await send(openCall(url, author.token), [{ kind: "launch", pack: "hidden-pack", version: "1.0.0" }]);
      expect(told.status).toBe(200);
    }),
  );

const listRaw = async (kind: string) => {
  await waitForCommits();
  return many<Raw>(system.db, {
    name: "",
    text: `select e.kind, coalesce(p.slug, e.subject_kind) as slug, e.version, e.format, e.launcher, e.source, count(*) as count
      from analytics.event e left join pack.pack p on p.id = e.subject_id where e.kind = $1 group by 1, 2, 3, 4, 5, 6 order by 1, 2, 3, 4, 5, 6`,
    values: [kind],
  });
};

const send = (call: System["call"], events: unknown[], headers: Record<string, string> = {}) =>
  call("POST", "/v1/analytics/events", { body: { events }, headers });

describe("what is counted", () => {
  const counted = (user: Pick<TestUser, "call">, agent: string, more: Record<string, string> = {}) =>
    user.call("GET", "/v1/packs/open-pack", { headers: { "user-agent": agent, ...more } });

  test("somebody who looks at a page a thousand times in a second, through two processes, has looked once", async () => {
    const calls = system.apiUrls.map((url) => openCall(url));
    await Promise.all(
      Array.from({ length: 1000 }, (_, index) => {
        const headers = { "user-agent": "Thousand/1.0" };
        return calls[index % 2]?.("GET", "/v1/packs/open-pack", { headers });
      }),
    );
    const seen = (await listRaw("view")).filter(({ launcher }) => launcher === "thousand");
    expect(seen.map(({ slug, count }) => [slug, count])).toEqual([["open-pack", 1]]);
  }, 60_000);

  test("who sends DNT: 1 or Sec-GPC: 1, and robots, are not counted; everybody else is, with launcher and origin", async () => {
    await counted(system, "DoNotTrack/1", { dnt: "1" });
    await counted(system, "Gpc/1", { "sec-gpc": "1" });
    await counted(system, "Googlebot/2.1");
    await counted(system, "Mozilla/5.0 (X11)", { referer: "https://forum.example/thread?id=1" });
    await counted(system, "Tracked/1", { dnt: "0" });
    const launchers = (await listRaw("view")).map(({ launcher, source }) => `${launcher} ${source}`);
    expect(launchers).toContain("browser forum.example");
    expect(launchers).toContain("tracked ");
    expect(launchers.filter((name) => /donottrack|gpc|google/.test(name))).toEqual([]);
  });

  test("downloads are counted by version and format", async () => {
    const headers = { "user-agent": "PrismLauncher/8.0" };
    const archive = () => stranger.call("GET", "/v1/packs/open-pack/versions/1.0.0/archive?format=zip", { headers });
    await waitFor(async () => (await archive()).status === 307, "the archive");
    await stranger.call("GET", "/v1/packs/open-pack/versions/1.0.0/manifest", { headers });
    const rows = await waitFor(async () => {
      const found = (await listRaw("download")).filter(({ launcher }) => launcher === "prismlauncher");
      return found.length === 2 && found;
    }, "both downloads");
    expect(rows.map(({ slug, version, format, count }) => [slug, version, format, count])).toEqual([
      ["open-pack", "1.0.0", "native", 1],
      ["open-pack", "1.0.0", "zip", 1],
    ]);
  });

  test("sign-ins are counted, and are nobody's", async () => {
    const body = { login: "stranger", password: "a long test password" };
    await system.call("POST", "/v1/auth/login", { body, headers: { "user-agent": "SignIn/1" } });
    await system.call("POST", "/v1/auth/login", { body, headers: { "user-agent": "Quiet/1", dnt: "1" } });
    const rows = await listRaw("sign-in");
    expect(rows.find(({ launcher }) => launcher === "signin")).toMatchObject({ slug: "site", count: 1 });
    expect(rows.find(({ launcher }) => launcher === "quiet")).toBeUndefined();
  });
});

describe("what launchers tell", () => {
  const install = { kind: "install", pack: "open-pack", version: "1.0.0", launcher: "test" };

  test("each event is answered: recorded, unknown, or out of time; in private packs for those who see them", async () => {
    const at = (ms: number) => new Date(Date.now() + ms).toISOString();
    const events = [
      install,
      { ...install, kind: "update", from: "0.9.0" },
      { kind: "launch", pack: "open-pack", version: "1.0.0" },
      { ...install, version: "9.9.9" },
      { ...install, pack: "no-such-pack" },
      { ...install, pack: "hidden-pack" },
      { ...install, at: at(-3 * 86_400_000) },
      { ...install, at: at(3_600_000) },
    ];
    const told = await send(stranger.call, events);
    expect(told.status).toBe(200);
    expect(told.json.results.map(({ status }: { status: string }) => status)).toEqual([
      ...Array(3).fill("recorded"),
      ...Array(3).fill("unknown-subject"),
      "out-of-time",
      "out-of-time",
    ]);
    const own = await send(author.call, [{ ...install, pack: "hidden-pack" }]);
    expect(own.json.results).toEqual([{ status: "recorded" }]);
    expect((await listRaw("update"))[0]).toMatchObject({ slug: "open-pack", source: "0.9.0", launcher: "test" });
  });

  test("DNT and GPC are told so and nothing is written", async () => {
    const before = await listRaw("install");
    for (const headers of [{ dnt: "1" }, { "sec-gpc": "1" }])
      expect((await send(operator.call, [install], headers)).json.results).toEqual([{ status: "not-counted" }]);
    expect(await listRaw("install")).toEqual(before);
  });

  test.each([
    ["no events", { events: [] }],
    ["too many", { events: Array(101).fill(install) }],
    ["an unknown kind", { events: [{ ...install, kind: "download" }] }],
    ["an unknown member", { events: [{ ...install, address: "1.2.3.4" }] }],
    ["an update from nowhere", { events: [{ ...install, kind: "update" }] }],
    ["a launcher that is no word", { events: [{ ...install, launcher: "=cmd()" }] }],
  ])("%s: 422", async (_, body) => {
    expect((await system.call("POST", "/v1/analytics/events", { body })).status).toBe(422);
  });

  test("every acknowledged event is there exactly once, though the API is killed in the middle", async () => {
    const ledger = new Set<string>();
    let killed = false;
    const post = async (index: number) => {
      const names = [0, 1, 2].map((part) => `ledger-${index}-${part}`);
      const at = new Date().toISOString();
      const events = names.map((launcher) => ({ ...install, launcher, at }));
      for (;;) {
        const answer = await send(openCall(system.apiUrls[0] ?? ""), events).catch(() => undefined);
        if (answer?.status === 200) {
          for (const name of names) ledger.add(name);
          return;
        }
        await waitFor(async () => (await fetch(`${system.apiUrls[0]}/readyz`).catch(() => undefined))?.ok, "the API");
      }
    };
    const work = Promise.all(
      Array.from({ length: 8 }, async (_, worker) => {
        for (let round = 0; round < 40; round++) {
          await post(worker * 1000 + round);
          if (ledger.size > 300 && !killed) {
            killed = true;
            system.apis[0]?.kill("SIGKILL");
            await system.apis[0]?.exited;
            await system.startApi(0);
          }
        }
      }),
    );
    await work;
    expect(killed).toBe(true);
    const rows = (await listRaw("install")).filter(({ launcher }) => launcher.startsWith("ledger-"));
    expect(ledger.size).toBe(960);
    expect(rows.map(({ launcher }) => launcher).sort()).toEqual([...ledger].sort());
    expect(rows.filter(({ count }) => count !== 1)).toEqual([]);
  }, 60_000);
});

/** As the actor does, here and now. */
const roll = async () => {
  await waitForCommits();
  return rollUp({
    payload: { scope: "all" },
    wanted: 1,
    deps: { db: system.db, config: readConfig({ environment: system.environment }) },
    signal: new AbortController().signal,
    progress: () => undefined,
    log: testLog,
  });
};

test("nothing that is kept names an address or a person", async () => {
  await roll();
  const [user] = await many<{ id: string }>(system.db, {
    name: "",
    text: `select id from account."user" where login = 'stranger'`,
  });
  const texts = await many<{ row: string }>(system.db, {
    name: "",
    text: `select e::text as row from analytics.event e`,
  });
  expect(texts.length).toBeGreaterThan(100);
  expect(texts.filter(({ row }) => /\b127\.0\.0\b|::1/.test(row) || (user && row.includes(user.id)))).toEqual([]);
});

describe("what owners read", () => {
  const ask = (user: Pick<TestUser, "call">, query: string) => user.call("GET", `/v1/analytics/query?${query}`);

  test.each([
    ["pack:open-pack", { anonymous: 401, author: 200, stranger: 403, operator: 200 }],
    ["pack:hidden-pack", { anonymous: 401, author: 200, stranger: 404, operator: 200 }],
    ["pack:no-such-pack", { anonymous: 401, author: 404, stranger: 404, operator: 404 }],
    ["user:author", { anonymous: 401, author: 200, stranger: 403, operator: 200 }],
    ["site", { anonymous: 401, author: 403, stranger: 403, operator: 200 }],
  ])("numbers of %s are for those who run it, and for operators", async (subject, expected) => {
    const callers = { anonymous: system, author, stranger, operator };
    const asked = Object.entries(callers).map(async ([name, user]) => {
      const { status } = await ask(user, `metric=views&subject=${subject}`);
      return [name, status] as const;
    });
    expect(Object.fromEntries(await Promise.all(asked))).toEqual(expected);
  });

  test("counts come by intervals and in groups, with the time that they are of and the intervals before", async () => {
    await roll();
    const { json } = await ask(
      author,
      "metric=installs&subject=pack:open-pack&by=launcher,version&interval=day&previous=true",
    );
    expect(json.total).toBe(961);
    expect(json.groups.length).toBe(51);
    expect(json.groups[0].by).toEqual({ launcher: null, version: null });
    expect(json.groups[0].count).toBe(911);
    expect(json.groups[1]).toMatchObject({ by: { version: "1.0.0" }, count: 1 });
    expect(json.groups[1].series).toHaveLength(31);
    expect(json.previous).toMatchObject({ total: 0, to: json.from });
    expect(Date.now() - Date.parse(json.asOf)).toBeLessThan(60_000);
    const one = await ask(
      author,
      "metric=installs&subject=pack:open-pack&interval=hour&from=2020-01-01&to=2020-01-02&launcher=test",
    );
    expect(one.json).toMatchObject({ total: 0, from: "2020-01-01T00:00:00.000Z", to: "2020-01-02T00:00:00.000Z" });
    expect(one.json.groups[0].series).toHaveLength(24);
  });

  test("CSV runs no formula", async () => {
    await system.db.query({
      name: "",
      text: `insert into analytics.daily (day, kind, subject_kind, subject_id, version, format, launcher, channel, source, count)
        select '2024-05-05', 'view', 'pack', id, '', '', '', '', '=HYPERLINK("x")', 3 from pack.pack where slug = 'open-pack'`,
      values: [],
    });
    const answer = await ask(
      author,
      "metric=views&subject=pack:open-pack&from=2024-05-05&to=2024-05-06&by=source&output=csv",
    );
    expect(answer.headers.get("content-type")).toContain("text/csv");
    expect(answer.text).toBe(`start,source,count\r\n2024-05-05T00:00:00.000Z,"'=HYPERLINK(""x"")",3\r\n`);
  });

  test.each([
    ["an unknown metric", "metric=money&subject=site"],
    ["a subject of no kind", "metric=views&subject=planet:earth"],
    ["three breakdowns", "metric=views&subject=site&by=version,format,launcher"],
    ["an unknown parameter", "metric=views&subject=site&adress=1"],
    ["too many intervals", "metric=views&subject=site&interval=hour&from=2020-01-01&to=2022-01-01"],
    ["an end before the beginning", "metric=views&subject=site&from=2022-01-02&to=2022-01-01"],
    ["visitors by launcher", "metric=visitors&subject=site&by=launcher"],
  ])("%s: 400", async (_, query) => {
    expect((await ask(operator, query)).status).toBe(400);
  });
});

test("a pack's page, its badge and the query tell the same number of downloads", async () => {
  await roll();
  const page = await system.call("GET", "/v1/packs/open-pack");
  const { json } = await author.call("GET", "/v1/analytics/query?metric=downloads&subject=pack:open-pack");
  expect(page.json.downloads.count).toBe(json.total);
  expect(json.total).toBeGreaterThan(1);
  expect(page.json.downloads.asOf).toMatch(/:00:00\.000Z$/);
  const badge = await system.call("GET", "/v1/packs/open-pack/badge.svg");
  expect(badge.headers.get("content-type")).toBe("image/svg+xml");
  expect(badge.headers.get("cache-control")).toBe("public, max-age=300");
  expect(badge.text).toContain(`downloads: ${json.total}, as of ${json.asOf}`);
  const hidden = await author.call("GET", "/v1/packs/hidden-pack/badge.svg");
  expect([hidden.status, hidden.headers.get("cache-control")]).toEqual([200, "private, no-cache"]);
  const etag = page.headers.get("etag") ?? "";
  await roll();
  expect((await system.call("GET", "/v1/packs/open-pack", { headers: { "if-none-match": etag } })).status).toBe(304);
});

test.each([
  [0, "0"],
  [999, "999"],
  [1_000, "1k"],
  [1_299, "1.2k"],
  [34_999, "34k"],
  [5_690_000, "5.6M"],
  [2_000_000_000, "2G"],
])("%d downloads are shown as %s", (count, text) => expect(shorten(count)).toBe(text));

describe("ready reports", () => {
  const read = (user: Pick<TestUser, "call">, path: string) => user.call("GET", `/v1/analytics/reports/${path}`);

  beforeAll(async () => {
    await author.call("POST", "/v1/organizations", { body: { slug: "team", name: "Team" } });
    await author.call("POST", "/v1/packs", {
      body: { slug: "team-pack", name: "Team", visibility: "public", organization: "team" },
    });
    const begins = Date.now() + 86_400_000;
    const made = await author.call("POST", "/v1/events", {
      body: {
        organization: "team",
        title: { en: "Party" },
        place: { kind: "online", url: "https://party.example" },
        startsAt: new Date(begins).toISOString(),
        endsAt: new Date(begins + 3_600_000).toISOString(),
        timeZone: "UTC",
      },
    });
    expect([made.status, made.text.slice(0, 300)]).toEqual([201, expect.anything()]);
    await author.call("POST", `/v1/events/${made.json.slug}/publish`);
    for (const agent of ["A/1", "B/1", "C/1", "D/1"]) {
      const headers = { "user-agent": agent };
      await system.call("GET", `/v1/events/${made.json.slug}`, { headers });
      await system.call("GET", "/v1/organizations/team", { headers });
      await system.call("GET", "/v1/packs/team-pack", { headers });
    }
    const registered = await stranger.call("POST", `/v1/events/${made.json.slug}/registrations`, { body: {} });
    expect([registered.status, registered.text.slice(0, 300)]).toEqual([201, expect.anything()]);
    await roll();
    eventSlug = made.json.slug;
  });
  let eventSlug = "";

  test("the funnel of an event goes from who looked to who was there", async () => {
    const { json } = await read(author, `event?subject=event:${eventSlug}`);
    expect(json.columns).toEqual(["step", "count", "percent"]);
    expect(json.rows).toEqual([
      ["visitors", 4, null],
      ["registrations", 1, 25],
      ["check-ins", 0, 0],
    ]);
  });

  test("an organization sees its things, and its members who do not manage it do not", async () => {
    const { json } = await read(author, "organization?subject=organization:team");
    expect(json.rows.map(([kind, name, views]: unknown[]) => [kind, name, views])).toEqual([
      ["event", eventSlug, 4],
      ["organization", "team", 4],
      ["pack", "team-pack", 4],
    ]);
    expect((await read(stranger, "organization?subject=organization:team")).status).toBe(403);
    expect((await read(stranger, `event?subject=event:${eventSlug}`)).status).toBe(403);
    expect((await read(operator, `event?subject=event:${eventSlug}`)).status).toBe(200);
  });

  test("versions, days, retention and origins of a pack, as JSON and as CSV", async () => {
    const versions = await read(author, "versions?subject=pack:open-pack");
    expect(versions.json.rows).toEqual([["1.0.0", 2, 961, 1, 1, 100]]);
    const days = await read(author, "pack?subject=pack:open-pack&output=csv");
    expect(days.text).toMatch(
      /^day,views,visitors,downloads,installs,updates,launches\r\n\d{4}-\d\d-\d\d,\d+,\d+,2,961,1,1\r\n$/,
    );
    const retention = await read(author, "retention?subject=pack:open-pack");
    expect(retention.json.rows[0].slice(1, 5)).toEqual([961, 1, 1, 1]);
    const origins = await read(author, "acquisition?subject=pack:open-pack");
    expect(origins.json.rows.map(([source]: unknown[]) => source)).toContain("forum.example");
    expect((await read(author, "event?subject=pack:open-pack")).status).toBe(400);
    expect((await read(author, "money?subject=pack:open-pack")).status).toBe(404);
  });
});

test("somebody says which reports he gets by mail, of what he runs", async () => {
  const path = "/v1/me/analytics/reports";
  const put = (user: TestUser, ...items: unknown[]) => user.call("PUT", path, { body: { items } });
  const weekly = { every: "week", report: "versions", subject: "pack:open-pack" };
  expect((await put(author, weekly, { ...weekly, every: "month", report: "pack" })).status).toBe(200);
  expect((await put(author, weekly)).json).toEqual({ items: [weekly] });
  expect((await author.call("GET", path)).json).toEqual({ items: [weekly] });
  expect((await put(stranger, weekly)).status).toBe(403);
  expect((await put(operator, { every: "week", report: "acquisition", subject: "site" })).status).toBe(422);
  expect((await put(author, { ...weekly, every: "hour" })).status).toBe(422);
  expect((await system.call("GET", path)).status).toBe(401);
  expect((await put(author)).json).toEqual({ items: [] });
});
