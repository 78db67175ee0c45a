import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { long, openCall, parts, publishPack, type System, startSystem, type TestUser } from "../harness.ts";

const rounds = long ? 10 : 1;
const clients = 6;
/** A process lingers, drains and closes within this. */
const stopLimitMs = 9_500;

describe.if(parts === "cluster")("two API processes behind the gateway", () => {
  let system: System;
  let author: TestUser;
  beforeAll(async () => {
    system = await startSystem({ environment: { LINGER_SECONDS: "2.5" } });
    author = await system.signUp("author");
    await publishPack(author, { slug: "rolling", version: "1.0.0", files: { "a.jar": "bytes that stay" } });
  });
  afterAll(() => system?.stop());

  test(`are restarted one after the other, ${2 * rounds} times in all, and no request fails`, async () => {
    const failed: string[] = [];
    const made: string[] = [];
    let answered = 0;
    let over = false;
    const ask = async (client: number) => {
      for (let turn = 0; !over; turn++) {
        const slug = `made-${client}-${turn}`;
        const requests: [string, string, object?][] = [
          ["GET", "/v1/packs/rolling/latest"],
          ["GET", "/v1/me"],
          ["POST", "/v1/packs", { slug, name: slug }],
          ["GET", "/v1/packs/rolling/versions/1.0.0/manifest"],
        ];
        for (const [method, path, body] of requests) {
          const { status, text } = await author
            .call(method, path, body && { body })
            .catch((error: Error) => ({ status: 0, text: error.message }));
          answered++;
          if (status === 201) made.push(slug);
          else if (status !== 200) failed.push(`${method} ${path} ${status} ${text.slice(0, 200)}`);
        }
        await Bun.sleep(20);
      }
    };
    const running = Array.from({ length: clients }, (_, client) => ask(client));
    for (let round = 0; round < rounds; round++)
      for (const index of system.apis.keys()) {
        const startedAt = performance.now();
        const before = answered;
        const api = system.apis[index];
        api?.kill("SIGTERM");
        expect(await api?.exited).toBe(0);
        expect(performance.now() - startedAt).toBeLessThan(stopLimitMs);
        expect(answered).toBeGreaterThan(before); // the other one went on
        await system.startApi(index, { LINGER_SECONDS: "2.5" });
      }
    over = true;
    await Promise.all(running);
    expect(failed).toEqual([]);
    expect(made.length).toBeGreaterThan(clients);
    const { rows } = await system.db.query({
      name: "test_made",
      text: "select slug from pack.pack where slug like 'made-%' order by slug",
      values: [],
    });
    expect(rows).toEqual(made.sort().map((slug) => ({ slug })));
  }, 400_000);

  test("a process that leaves answers what it has begun, and what comes on kept connections, then ends", async () => {
    const [url = ""] = system.apiUrls;
    const api = system.apis[0];
    const call = openCall(url, author.token);
    expect((await call("GET", "/v1/me")).headers.get("connection")).not.toBe("close");
    api?.kill("SIGTERM");
    let leaving = false;
    while (!leaving) leaving = (await call("GET", "/v1/me")).headers.get("connection") === "close";
    expect((await call("GET", "/v1/packs/rolling")).status).toBe(200);
    expect(await api?.exited).toBe(0);
    await system.startApi(0);
  });
});
