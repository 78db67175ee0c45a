// A process of its own that decodes what strangers have sent: it holds no secret and no connection, and may be killed at any time.
import { writeFile } from "node:fs/promises";
import { Value } from "@sinclair/typebox/value";
import { limitDecoder, render } from "./render.ts";
import { Task, TextureTask } from "./task.ts";
import { renderTexture } from "./texture.ts";

if (import.meta.main) {
  limitDecoder();
  // Where memory is short, the kernel is to take this process before any other.
  await writeFile("/proc/self/oom_score_adj", "1000").catch(() => undefined);
  process.on("disconnect", () => process.exit(0));
  process.on("message", async (message) => {
    // What these throw ends this process, and the parent sees that.
    if (Value.Check(TextureTask, message)) process.send?.(await renderTexture(message));
    else process.send?.(await render(Value.Parse(Task, message)));
  });
}
