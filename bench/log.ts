import { openLog } from "../log.ts";
import { openLogBuffer } from "../log-buffer.ts";
import { startSystem } from "../tests/harness.ts";
import type { Bench } from "./bench.ts";
import { countAnswers } from "./load.ts";
import { compare } from "./measure.ts";
import { openDatabase } from "./system.ts";

const rounds = 5;
const seconds = 2;
const connections = 32;
const lines = 50_000;

/** What logging costs where it hurts most: the page of a public pack, with nothing of it logged, and with everything. */
export const bench: Bench = {
  name: "log",
  programs: {},
  run: async ({ folder, stack, report, note }) => {
    await openDatabase({ folder, stack });
    const system = await startSystem({ pods: 0, apis: 3 });
    stack.defer(system.stop);
    for (const [index, level] of [
      [1, "info"],
      [2, "debug"],
    ] as const) {
      system.apis[index]?.kill("SIGTERM");
      await system.apis[index]?.exited;
      await system.startApi(index, { LOG_COLLECT: level });
    }
    const author = await system.signUp();
    await author.call("POST", "/v1/packs", { body: { slug: "bench", name: "Bench", visibility: "public" } });
    const [none = "", info = "", debug = ""] = system.apiUrls.map((url) => `${url}/v1/packs/bench`);
    const rate = (url: string) => () => countAnswers(url, { seconds, connections });
    const sides = { reference: "the same with LOG_COLLECT=off", unit: "/s", rounds, theirs: rate(none) } as const;
    report(
      await compare({
        ...sides,
        what: "page of a pack, LOG_COLLECT=info (the default), rate",
        aim: { atLeast: 0.95 },
        ours: rate(info),
      }),
    );
    report(
      await compare({
        ...sides,
        what: "the same, LOG_COLLECT=debug: two lines for each request",
        aim: { atLeast: 0.3 },
        ours: rate(debug),
      }),
    );
    const buffer = openLogBuffer({ maxLines: 1_000 });
    const log = openLog({
      level: "silent",
      service: "bench",
      collect: { level: "info", buffer },
      secrets: ["a secret of the configuration"],
    });
    const startedAt = performance.now();
    const line = {
      traceId: "0af7651916cd43dd8448eb211c80319c",
      method: "POST",
      route: "/v1/packs/:slug",
      status: 201,
      durationMs: 1.5,
    };
    for (let index = 0; index < lines; index++)
      log.info({ ...line, caller: "0198a5b1-7c6e-7000-8000-0123456789ab" }, "request");
    note(`one line, made, redacted and kept: ${(((performance.now() - startedAt) * 1000) / lines).toFixed(1)} µs`);
  },
};
