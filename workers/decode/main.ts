// A process of its own that decodes what strangers have sent: it holds no secret and no connection, and may be killed at any time.
import { writeFile } from "node:fs/promises";
import { Value } from "@sinclair/typebox/value";
import { limitDecoder, render } from "./render.ts";
import { Task } from "./task.ts";

if (import.meta.main) {
  limitDecoder();
  // Where memory is short, the kernel is to take this process before any other.
  await writeFile("/proc/self/oom_score_adj", "1000").catch(() => undefined);
  process.on("disconnect", () => process.exit(0));
  process.on("message", async (message) => {
    const task = Value.Parse(Task, message);
    process.send?.(await render(task)); // what it throws ends this process, and the parent sees that
  });
}
