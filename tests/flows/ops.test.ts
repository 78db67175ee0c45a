import { afterAll, beforeAll, expect, test } from "bun:test";
import { openCall, type System, startSystem, type TestUser } from "../harness.ts";

let system: System;
let operator: TestUser;
let user: TestUser;

beforeAll(async () => {
  system = await startSystem({ pods: 1 });
  operator = await system.signUp("operator", ["ops"]);
  user = await system.signUp("user");
});
afterAll(() => system?.stop());

async function signIn(url: string, login: string) {
  const response = await fetch(`${url}/ops/sign-in`, {
    method: "POST",
    redirect: "manual",
    headers: { origin: url },
    body: new URLSearchParams({ login, password: "a long test password" }),
  });
  return { status: response.status, cookie: response.headers.get("set-cookie")?.split(";")[0] ?? "" };
}

test("through the gateway and past it, the queues open for operators only, and change for our own pages only", async () => {
  for (const url of new Set([system.url, ...system.apiUrls])) {
    const call = openCall(url);
    expect((await call("GET", "/ops/queues")).headers.get("location")).toBe("/ops/sign-in");
    expect((await call("GET", "/ops/queues/api/queues")).status).toBe(401);
    for (const headers of [{ authorization: `Bearer ${user.token}` }])
      expect((await call("GET", "/ops/queues/api/queues", { headers })).status).toBe(403);
    expect(await signIn(url, "user")).toEqual({ status: 403, cookie: "" });
    const { status, cookie } = await signIn(url, "operator");
    expect(status).toBe(303);
    const { json } = await call("GET", "/ops/queues/api/queues", { headers: { cookie } });
    expect(json.queues.map(({ name }: { name: string }) => name)).toContain("verify-upload");
    const pause = (headers: Record<string, string>) =>
      call("PUT", "/ops/queues/api/queues/build-archive/pause", { headers: { cookie, ...headers } });
    expect((await pause({})).status).toBe(403);
    expect((await pause({ origin: "http://evil.example" })).status).toBe(403);
    expect((await pause({ "x-forwarded-host": "evil.example", origin: "http://evil.example" })).status).toBe(403);
    expect((await pause({ origin: url })).status).toBe(200);
    const resume = await call("PUT", "/ops/queues/api/queues/build-archive/resume", {
      headers: { cookie, origin: url },
    });
    expect(resume.status).toBe(200);
  }
});

test("health and the described API stand in front of the sign-in, for everybody", async () => {
  for (const path of ["/livez", "/readyz", "/status", "/openapi", "/openapi/json", "/.well-known/jwks.json"])
    expect([path, (await system.call("GET", path)).status]).toEqual([path, 200]);
  const headers = { authorization: `Bearer ${operator.token}` };
  expect((await system.call("GET", "/ops/queues", { headers })).status).toBe(200);
});
