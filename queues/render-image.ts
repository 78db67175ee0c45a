import { actor, type Static, t } from "./actor.ts";

export const RenderImage = t.Object({ imageId: t.String() });
export type RenderImage = Static<typeof RenderImage>;

/** Verifies the bytes of an image and makes what is shown of it: its variants, or a reason why there are none. */
export const renderImage = actor({
  name: "render-image",
  payload: RenderImage,
  subject: ({ imageId }) => imageId,
  retry: { attempts: 5, backoffMs: 1_000 },
  concurrency: 2,
  timeoutMs: 5 * 60_000,
  needs: ["db", "storage", "config", "decoder", "bus"],
  handler: () => import("../workers/render-image.ts"),
});
