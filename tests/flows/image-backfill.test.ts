import { afterAll, beforeAll, expect, test } from "bun:test";
import { type System, startSystem, type TestUser, waitFor, waitForJob } from "../harness.ts";
import { makePng, uploadImage } from "../pictures.ts";
import { seat } from "./sunduk.ts";

let system: System;
let owner: TestUser;
let operator: TestUser;
let admin: TestUser;

beforeAll(async () => {
  system = await startSystem({ environment: { IMAGE_AVIF: "on" }, pods: 1 });
  [owner, operator, admin] = await Promise.all([
    system.signUp("painter"),
    system.signUp("operator", ["ops"]),
    system.signUp("overseer", ["admin"]),
  ]);
});
afterAll(() => system?.stop());

const picture = () => makePng({ width: 500, height: 400 }, (x, y) => [x & 255, y & 255, (x ^ y) & 255]);

/** What a browser that reads AVIF is shown, followed to its bytes. */
async function show(id: string): Promise<{ type: string | null; location: string }> {
  const { status, headers } = await owner.call("GET", `/v1/images/${id}/preview`, {
    headers: { accept: "image/avif,image/webp,*/*" },
  });
  expect(status).toBe(307);
  const location = headers.get("location") ?? "";
  const response = await fetch(location);
  expect(response.status).toBe(200);
  await response.arrayBuffer();
  return { type: response.headers.get("content-type"), location: new URL(location).pathname };
}

test("an image is shown as WebP as soon as it is ready, and as AVIF by itself a little later", async () => {
  const id = await uploadImage(owner, picture());
  await waitFor(async () => (await show(id)).type === "image/avif", "AVIF to be made");
  const { headers } = await owner.call("GET", `/v1/images/${id}/preview`, { headers: { accept: "image/webp" } });
  expect((await fetch(headers.get("location") ?? "")).headers.get("content-type")).toBe("image/webp");
});

test("operators ask for what is missing, and for all again; nobody else does", async () => {
  const id = await uploadImage(owner, picture());
  const ask = (user: TestUser, which: string) => user.call("POST", "/v1/ops/images/render", { body: { which } });
  expect((await ask(owner, "all")).status).toBe(403);
  expect((await ask(operator, "some")).status).toBe(422);
  for (const which of ["missing", "all"]) {
    const { status, json } = await ask(operator, which);
    expect([which, status]).toEqual([which, 202]);
    expect(await waitForJob(operator, json.job.id)).toMatchObject({
      state: "completed",
      result: { made: expect.any(Number) },
    });
  }
  expect((await show(id)).type).toBe("image/avif");
});

test("`sunduk images render` leaves the wish, and the pods find it", async () => {
  const { sunduk, close } = await seat();
  const env = { DATABASE_URL: system.environment.DATABASE_URL ?? "" };
  expect((await sunduk(["images", "render", "--all", "--missing"], { env })).code).toBe(2);
  const { code, json } = await sunduk(["images", "render", "--all", "--json"], { env });
  await close();
  expect([code, json.ok]).toEqual([0, true]);
  await waitFor(async () => {
    const { json: job } = await admin.call("GET", `/v1/jobs/${json.job}`);
    return job.state === "completed";
  }, "the job to be done");
});
