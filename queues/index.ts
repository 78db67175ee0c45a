import type { Actor } from "./actor.ts";
import { buildArchive } from "./build-archive.ts";
import { mirrorReference } from "./mirror-reference.ts";
import { publishVersion } from "./publish-version.ts";
import { resendStuck } from "./resend-stuck.ts";
import { sweepStorage } from "./sweep-storage.ts";
import { verifyUpload } from "./verify-upload.ts";

/** The cluster: every actor there is. */
export const actors: readonly Actor[] = [
  verifyUpload,
  mirrorReference,
  publishVersion,
  buildArchive,
  sweepStorage,
  resendStuck,
];
