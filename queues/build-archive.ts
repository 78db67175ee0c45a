import { actor, type Static, t } from "./actor.ts";

export const BuildArchive = t.Object({
  versionId: t.String(),
  format: t.Union([t.Literal("mrpack"), t.Literal("zip")]),
  side: t.Union([t.Literal("both"), t.Literal("client"), t.Literal("server")]),
  /** Public address that the file URLs inside begin with; empty when it holds none. */
  base: t.String(),
});
export type BuildArchive = Static<typeof BuildArchive>;

/** Packs a published version into one deterministic archive, streamed from storage to storage. */
export const buildArchive = actor({
  name: "build-archive",
  payload: BuildArchive,
  subject: ({ versionId, format, side, base }) => [versionId, format, side, base].join(" "),
  retry: { attempts: 5, backoffMs: 2_000 },
  concurrency: 1,
  timeoutMs: 60 * 60_000,
  needs: ["db", "storage", "config"],
  handler: () => import("../workers/build-archive.ts"),
});
