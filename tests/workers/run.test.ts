import { afterAll, beforeAll, expect, test } from "bun:test";
import { findJob } from "../../db/job.ts";
import type { Deps } from "../../deps.ts";
import { actor, t } from "../../queues/actor.ts";
import { openMailbox, want } from "../../queues/mailbox.ts";
import { runActor } from "../../workers/run.ts";
import { openTestDeps, waitFor } from "../harness.ts";

let deps: Deps;
beforeAll(async () => {
  deps = await openTestDeps();
});
afterAll(() => deps?.close());

test("a run that hangs and hears no signal is left behind, so that its actor takes the next message", async () => {
  let runs = 0;
  const hanging = actor({
    name: "hanging",
    payload: t.Object({ id: t.String() }),
    subject: ({ id }) => id,
    retry: { attempts: 1, backoffMs: 1 },
    concurrency: 1,
    timeoutMs: 100,
    needs: ["db"],
    handler: async () => ({
      handle: () => (++runs === 1 ? new Promise<never>(() => undefined) : Promise.resolve({ done: true })),
    }),
  });
  const mailbox = openMailbox({ queues: deps.queues, actors: [hanging], log: deps.log });
  const { worker, active } = await runActor(hanging, deps);
  try {
    const first = await want(deps.db, hanging, { payload: { id: "first" } });
    await mailbox.send("hanging", first);
    await waitFor(() => active() === 1, "the run to begin");
    const second = await want(deps.db, hanging, { payload: { id: "second" } });
    await mailbox.send("hanging", second);
    await waitFor(async () => (await findJob(deps.db, second.jobId))?.state === "completed", "the next message");
    const left = await findJob(deps.db, first.jobId);
    expect([left?.state, left?.done, left?.problem?.code]).toEqual(["waiting", 0, "unavailable"]); // sent again later
  } finally {
    await worker.close();
    await mailbox.close();
  }
});
