import type { Actor } from "./actor.ts";
import { buildAlbumArchive } from "./build-album-archive.ts";
import { buildArchive } from "./build-archive.ts";
import { eraseUser } from "./erase-user.ts";
import { leaveEvents } from "./leave-events.ts";
import { mirrorReference } from "./mirror-reference.ts";
import { publishVersion } from "./publish-version.ts";
import { relayFacts } from "./relay-facts.ts";
import { renderImage } from "./render-image.ts";
import { resendStuck } from "./resend-stuck.ts";
import { sendMail } from "./send-mail.ts";
import { settleSeats } from "./settle-seats.ts";
import { sweepAccounts } from "./sweep-accounts.ts";
import { sweepStorage } from "./sweep-storage.ts";
import { verifyUpload } from "./verify-upload.ts";

/** The cluster: every actor there is. */
export const actors: readonly Actor[] = [
  verifyUpload,
  mirrorReference,
  publishVersion,
  buildArchive,
  buildAlbumArchive,
  renderImage,
  sendMail,
  relayFacts,
  eraseUser,
  leaveEvents,
  settleSeats,
  sweepStorage,
  sweepAccounts,
  resendStuck,
];
