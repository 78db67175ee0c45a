import { actor, type Static, t } from "./actor.ts";

export const MakeTexture = t.Object({
  uploadId: t.String(),
  playerId: t.String(),
  kind: t.Union([t.Literal("skin"), t.Literal("cape")]),
  /** Goes with the skin, when it says one. */
  model: t.Union([t.Literal("default"), t.Literal("slim"), t.Null()]),
});
export type MakeTexture = Static<typeof MakeTexture>;

/** Writes the PNG that was sent for a player anew, and puts it on. Somebody waits for it. */
export const makeTexture = actor({
  name: "make-texture",
  payload: MakeTexture,
  subject: ({ uploadId }) => uploadId,
  retry: { attempts: 5, backoffMs: 500 },
  concurrency: 2,
  timeoutMs: 2 * 60_000,
  needs: ["db", "storage", "decoder"],
  handler: () => import("../workers/make-texture.ts"),
});
