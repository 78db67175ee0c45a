import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Db, one, run } from "../../db/query.ts";
import {
  type Answer,
  long,
  openCall,
  publishPack,
  type System,
  startSystem,
  type TestUser,
  upload,
  waitFor,
  waitForJob,
} from "../harness.ts";
import { meet } from "./meet.ts";

const publishers = 100;
const rounds = long ? 100 : 6;
const terms = { channel: "release", minecraft: "1.21.1", loader: null };

let system: System;
let author: TestUser;
let files: { path: string; sha256: string; size: number; side: string }[];

beforeAll(async () => {
  system = await startSystem({ pods: 2 });
  author = await system.signUp("author");
  files = [];
  for (const path of ["a", "b"])
    files.push({ path, sha256: await upload(author, `bytes ${path}`, path), size: 7, side: "both" });
}, 120_000);
afterAll(() => system?.stop());

/** The same caller at each of the API processes in turn. */
const callAt = (index: number) => openCall(system.apiUrls[index % system.apiUrls.length] ?? system.url, author.token);

async function declare(slug: string, version: string) {
  await author.call("POST", "/v1/packs", { body: { slug, name: slug, visibility: "private" } });
  const declared = await author.call("POST", `/v1/packs/${slug}/versions`, {
    body: { version, ...terms, files: files.slice(0, 1) },
  });
  expect(declared.status).toBe(201);
  return declared;
}

const findPack = (slug: string) =>
  one<{ count: number; published: number; numbers: number[] }>(system.db, {
    name: "test_published",
    text: `select p.published_count as count, (select count(*) from pack.version v where v.pack_id = p.id and v.state = 'published') as published,
      array(select v.number from pack.version v where v.pack_id = p.id and v.number is not null order by 1) as numbers from pack.pack p where p.slug = $1`,
    values: [slug],
  });

test(`${publishers} times the same version is published at once: one job, one number`, async () => {
  await declare("once", "1");
  const answers = await Promise.all(
    Array.from({ length: publishers }, (_, index) => callAt(index)("POST", "/v1/packs/once/versions/1/publish")),
  );
  const accepted = answers.filter(({ status }) => status === 202);
  expect(accepted.length).toBeGreaterThan(0);
  expect(answers.filter(({ status }) => status !== 202 && status !== 409)).toEqual([]);
  expect(new Set(accepted.map(({ json }) => json.job.id)).size).toBe(1);
  expect((await waitForJob(author, accepted[0]?.json.job.id)).state).toBe("completed");
  expect(await findPack("once")).toEqual({ count: 1, published: 1, numbers: [1] });
});

test("versions published at the same time are numbered without gaps, and latest only goes forward", async () => {
  const versions = Array.from({ length: 8 }, (_, index) => `1.${index}`);
  for (const version of versions) await declare("many", version);
  let done = false;
  const seen: string[][] = await Promise.all([
    ...system.apiUrls.map(async (_url, index) => {
      const latest: string[] = [];
      while (!done) {
        const { status, json } = await callAt(index)("GET", "/v1/packs/many/latest");
        if (status === 200 && latest.at(-1) !== json.version) latest.push(json.version);
      }
      return latest;
    }),
    (async () => {
      await Promise.all(
        versions.map((version, index) => callAt(index)("POST", `/v1/packs/many/versions/${version}/publish`)),
      );
      await waitFor(async () => (await findPack("many"))?.published === versions.length, "all to be published");
      await waitFor(
        async () => (await author.call("GET", "/v1/packs/many/latest")).status === 200,
        "latest to be told",
      );
      done = true;
      return [];
    })(),
  ]);
  expect((await findPack("many"))?.numbers).toEqual(versions.map((_version, index) => index + 1));
  const listed = (await author.call("GET", "/v1/packs/many/versions")).json.items.map(
    (item: { version: string }) => item.version,
  );
  for (const latest of seen) {
    const places = latest.map((version) => listed.indexOf(version));
    expect(places).toEqual([...places].sort((a, b) => b - a));
  }
});

type Outcome = { edit: boolean; yank: boolean; files: number; yanked: boolean };

/** Every outcome of publishing (which begins, and ends later), editing the draft and yanking, one after the other. */
function listSerialOutcomes(): string[] {
  const outcomes = new Set<string>();
  const steps = ["begin", "end", "edit", "yank"] as const;
  const go = (left: readonly (typeof steps)[number][], state: "draft" | "publishing" | "published", so: Outcome) => {
    if (left.length === 0) outcomes.add(JSON.stringify(so));
    for (const step of left) {
      if (step === "end" && left.includes("begin")) continue;
      const rest = left.filter((other) => other !== step);
      if (step === "begin") go(rest, "publishing", so);
      if (step === "end") go(rest, "published", so);
      if (step === "edit") go(rest, state, state === "draft" ? { ...so, edit: true, files: 2 } : so);
      if (step === "yank") go(rest, state, state === "published" ? { ...so, yank: true, yanked: true } : so);
    }
  };
  go(steps, "draft", { edit: false, yank: false, files: 1, yanked: false });
  return [...outcomes];
}

/** Asks again while the version is not published yet. */
async function yankWithin(tries: number, yank: () => Promise<Answer>): Promise<Answer> {
  const answer = await yank();
  return answer.status === 409 && tries > 1 ? yankWithin(tries - 1, yank) : answer;
}

test("publishing, editing and yanking at once end as if they had come one after the other", async () => {
  const serial = listSerialOutcomes();
  expect(serial.length).toBe(4);
  for (let round = 0; round < rounds; round++) {
    const version = `${round}`;
    const { headers } = await declare("mixed", version);
    const path = `/v1/packs/mixed/versions/${version}`;
    const own = { headers: { "if-match": headers.get("etag") ?? '"1"' } };
    const [published, edited, yanked] = await Promise.all([
      callAt(round)("POST", `${path}/publish`),
      callAt(round + 1)("PATCH", path, { ...own, body: { files } }),
      yankWithin(10, () => callAt(round)("POST", `${path}/yank`)),
    ]);
    expect([published.status, [200, 409, 412].includes(edited.status), [200, 409].includes(yanked.status)]).toEqual([
      202,
      true,
      true,
    ]);
    expect((await waitForJob(author, published.json.job.id)).state).toBe("completed");
    const after = (await author.call("GET", path)).json;
    const manifest = (await author.call("GET", `${path}/manifest`)).json;
    const outcome: Outcome = {
      edit: edited.status === 200,
      yank: yanked.status === 200,
      files: manifest.files.length,
      yanked: after.yankedAt !== undefined,
    };
    expect(serial).toContain(JSON.stringify(outcome));
  }
});

test("what is published once stays as it is, whoever declares it again", async () => {
  await publishPack(author, { slug: "fixed", version: "1", files: { a: "one" }, visibility: "private" });
  const before = (await author.call("GET", "/v1/packs/fixed/versions/1/manifest")).text;
  const others = await Promise.all(
    Array.from({ length: 10 }, (_, index) =>
      callAt(index)("POST", "/v1/packs/fixed/versions", { body: { version: "1", ...terms, files } }),
    ),
  );
  expect(others.map(({ status }) => status)).toEqual(others.map(() => 409));
  expect((await author.call("GET", "/v1/packs/fixed/versions/1/manifest")).text).toBe(before);
});

describe("publishing without compare-and-set, in tables of its own, breaks the same oracle", () => {
  const publishAll = async (publish: (tx: Db, all: () => Promise<void>) => Promise<unknown>) => {
    await run(system.db, {
      name: "test_mutant_reset",
      text: `update mutant.pack set published_count = 0, state = 'draft'`,
    });
    const all = meet(4);
    await Promise.all(Array.from({ length: 4 }, () => system.db.transaction((tx) => publish(tx, all))));
    return (
      await one<{ count: number }>(system.db, {
        name: "test_mutant_count",
        text: `select published_count as count from mutant.pack`,
      })
    )?.count;
  };

  test("it is counted more than once; with it, once", async () => {
    await run(system.db, { name: "test_mutant_schema", text: `create schema mutant` });
    await run(system.db, {
      name: "test_mutant_table",
      text: `create table mutant.pack (published_count integer, state text)`,
    });
    await run(system.db, { name: "test_mutant_row", text: `insert into mutant.pack values (0, 'draft')` });
    const settle = (tx: Db) =>
      run(tx, { name: "test_mutant_settle", text: `update mutant.pack set published_count = published_count + 1` });
    const looking = async (tx: Db, all: () => Promise<void>) => {
      const draft = await one(tx, {
        name: "test_mutant_look",
        text: `select 1 from mutant.pack where state = 'draft'`,
      });
      await all();
      if (!draft) return;
      await run(tx, { name: "test_mutant_mark", text: `update mutant.pack set state = 'published'` });
      await settle(tx);
    };
    expect(await publishAll(looking)).toBeGreaterThan(1);
    const comparing = async (tx: Db, all: () => Promise<void>) => {
      await all();
      if (
        (await run(tx, {
          name: "test_mutant_cas",
          text: `update mutant.pack set state = 'published' where state = 'draft'`,
        })) > 0
      )
        await settle(tx);
    };
    expect(await publishAll(comparing)).toBe(1);
  });
});
