import type { Config } from "./config.ts";

/** How old things have to be before a sweep takes them, and how much may go at once. */
export type SweepRules = {
  /** Blobs that nothing names, versions of deleted packs. */
  graceSeconds: number;
  /** From a blob's row to its object. */
  doomedSeconds: number;
  /** Keys that somebody began to write under. */
  attemptSeconds: number;
  /** Objects that no row names. */
  orphanSeconds: number;
  /** Multipart uploads that no row names. */
  partsSeconds: number;
  /** Archives of albums. */
  albumArchiveDays: number;
  /** For so long the bytes are kept that were sent for an image. */
  sourceDays: number;
  maxShare: number;
};

const daySeconds = 24 * 3600;
/** No actor's run may take longer than an hour: what a run of two hours ago has begun, nobody goes on with. */
const longestRunSeconds = 2 * 3600;
/** Fewer than this may always go: on a small server a tenth is nothing. */
const alwaysAllowed = 20;

/**
 * The rules that a configuration means. A grace time of 0 is for tests and for emptying a server by hand: then only rows
 * and locks protect, and objects that no row names go at once too.
 */
export function readSweepRules(config: Config): SweepRules {
  const graceSeconds = config.SWEEP_GRACE_SECONDS;
  return {
    graceSeconds,
    doomedSeconds: config.SWEEP_DOOMED_SECONDS,
    attemptSeconds: Math.max(graceSeconds, longestRunSeconds),
    orphanSeconds: graceSeconds === 0 ? 0 : Math.max(graceSeconds, daySeconds),
    partsSeconds: config.UPLOAD_EXPIRES_SECONDS + graceSeconds,
    albumArchiveDays: 7,
    sourceDays: config.IMAGE_SOURCE_DAYS,
    maxShare: config.SWEEP_MAX_SHARE,
  };
}

/** Temporary files and probes that a crash left behind are a day old; those of a running process are never. */
export const temporarySeconds = daySeconds;

export type Fuse = { share: number; limit: number; blown: boolean };

/** Weighs how much would go at once: blown when it is more than the share that may, as after a lost table or a wrong restore. */
export function weighFuse({ going, of, maxShare }: { going: number; of: number; maxShare: number }): Fuse {
  const share = of === 0 ? 0 : going / of;
  return { share, limit: maxShare, blown: going > alwaysAllowed && share > maxShare };
}
