import { Fault } from "../../fault.ts";
import { waitFor } from "../call.ts";
import { type Client, readAnswer } from "../client.ts";
import type { Output } from "../output.ts";
import { faultFromAnswer } from "../problem.ts";
import { Job, Version } from "./answers.ts";
import type { LocalBytes } from "./files.ts";

type WaitOptions = { output: Output; signal: AbortSignal };

const longestStillMs = 30 * 60_000;
const rejectedStates = ["rejected", "failed"];

/** Waits until the server has verified every file of a draft and fetched what it mirrors. Throws Fault("invalid") naming what was rejected. */
export async function waitUntilVerified(
  client: Client,
  { path, bytes, output, signal }: WaitOptions & { path: string; bytes: Map<string, LocalBytes> },
): Promise<void> {
  let bar: ReturnType<Output["progress"]> | undefined;
  let before: number | undefined;
  try {
    await poll(signal, async () => {
      const draft = readAnswer(Version, (await client.request("GET", path, { signal })).json);
      const missing = draft.missing ?? [];
      const mirroring = (draft.mirroring ?? []).filter((file) => !["stored", "verified", "done"].includes(file.state));
      const rejected = [
        ...missing.flatMap((file) =>
          rejectedStates.includes(file.state ?? "")
            ? [{ detail: `${bytes.get(file.sha256)?.path ?? file.sha256}: ${file.reason ?? "rejected"}` }]
            : [],
        ),
        ...mirroring.flatMap((file) =>
          rejectedStates.includes(file.state)
            ? [{ detail: `${file.path} (${file.url}): ${file.reason ?? "failed"}` }]
            : [],
        ),
      ];
      if (rejected.length > 0) {
        throw new Fault(
          "invalid",
          `Publish: the server rejected ${rejected.length} files; correct them and publish again`,
          {
            errors: rejected,
          },
        );
      }
      const left = missing.length + mirroring.length;
      if (left > 0 && bar === undefined) {
        bar = output.progress(output.text.verifying, { total: left, unit: "files" });
        before = left;
      }
      bar?.advance(Math.max(0, (before ?? left) - left));
      before = left;
      return { ended: left === 0, mark: left };
    });
  } finally {
    bar?.finish();
  }
}

/** Waits for a job to end; throws its problem as a Fault. */
export async function waitForJob(
  client: Client,
  { id, label, output, signal }: WaitOptions & { id: string; label?: string },
): Promise<void> {
  const bar = output.progress(label ?? output.text.publishing, { total: 100, unit: "percent" });
  let shown = 0;
  const show = (percent: number) => {
    bar.advance(Math.max(0, percent - shown));
    shown = Math.max(shown, percent);
  };
  try {
    await poll(signal, async () => {
      const job = readAnswer(Job, (await client.request("GET", `/v1/jobs/${id}`, { signal })).json);
      if (job.state === "failed") throw faultFromAnswer(500, job.problem, { where: `Job ${id}` });
      const ended = job.state === "completed";
      show(ended ? 100 : Math.floor((job.progress ?? 0) * 100));
      return { ended, mark: job.progress ?? 0 };
    });
  } finally {
    bar.finish();
  }
}

// Asks again after 100 ms, then less often up to once a second; gives up when nothing has moved for half an hour.
async function poll(signal: AbortSignal, look: () => Promise<{ ended: boolean; mark: number }>): Promise<void> {
  let pauseMs = 100;
  let mark: number | undefined;
  let movedAt = performance.now();
  for (;;) {
    const seen = await look();
    if (seen.ended) return;
    if (seen.mark !== mark) movedAt = performance.now();
    mark = seen.mark;
    if (performance.now() - movedAt > longestStillMs) {
      throw new Fault("unavailable", "Publish: the server made no progress for 30 minutes; look at its workers");
    }
    await waitFor(pauseMs, signal);
    pauseMs = Math.min(1_000, pauseMs * 1.3);
  }
}
