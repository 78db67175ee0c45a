import { Fault } from "../fault.ts";
import type { Handle } from "../queues/actor.ts";
import type { RenderImage } from "../queues/render-image.ts";

/** Not there yet: says so instead of settling anything. */
export const handle: Handle<RenderImage, "db" | "storage" | "config"> = async () => {
  throw new Fault("unavailable", "Cannot render: the decoder is not built yet");
};
