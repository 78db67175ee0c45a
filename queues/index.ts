import type { Actor } from "./actor.ts";
import { backfillImages } from "./backfill-images.ts";
import { buildAlbumArchive } from "./build-album-archive.ts";
import { buildArchive } from "./build-archive.ts";
import { buildSolder } from "./build-solder.ts";
import { collectLogs } from "./collect-logs.ts";
import { createBackup } from "./create-backup.ts";
import { deliverMail } from "./deliver-mail.ts";
import { deliverPush } from "./deliver-push.ts";
import { deliverTelegram } from "./deliver-telegram.ts";
import { deliverWebhook } from "./deliver-webhook.ts";
import { eraseUser } from "./erase-user.ts";
import { extendEvents } from "./extend-events.ts";
import { fetchLoader } from "./fetch-loader.ts";
import { leaveEvents } from "./leave-events.ts";
import { makeTexture } from "./make-texture.ts";
import { mirrorReference } from "./mirror-reference.ts";
import { notify } from "./notify.ts";
import { publishVersion } from "./publish-version.ts";
import { relayFacts } from "./relay-facts.ts";
import { renderImage } from "./render-image.ts";
import { resendStuck } from "./resend-stuck.ts";
import { rollUp } from "./roll-up.ts";
import { sendMail } from "./send-mail.ts";
import { sendReports } from "./send-reports.ts";
import { settleSeats } from "./settle-seats.ts";
import { startPublishing } from "./start-publishing.ts";
import { startSyncs } from "./start-syncs.ts";
import { sweepAccounts } from "./sweep-accounts.ts";
import { sweepStorage } from "./sweep-storage.ts";
import { syncFeed } from "./sync-feed.ts";
import { verifyStorage } from "./verify-storage.ts";
import { verifyUpload } from "./verify-upload.ts";

/** The cluster: every actor there is. */
export const actors: readonly Actor[] = [
  verifyUpload,
  mirrorReference,
  publishVersion,
  buildArchive,
  buildAlbumArchive,
  buildSolder,
  fetchLoader,
  renderImage,
  makeTexture,
  backfillImages,
  sendMail,
  relayFacts,
  notify,
  deliverMail,
  deliverWebhook,
  deliverTelegram,
  deliverPush,
  eraseUser,
  leaveEvents,
  extendEvents,
  settleSeats,
  startPublishing,
  startSyncs,
  syncFeed,
  rollUp,
  sendReports,
  sweepStorage,
  verifyStorage,
  sweepAccounts,
  createBackup,
  resendStuck,
  collectLogs,
];
