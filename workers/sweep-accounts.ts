import { deleteOldActivity } from "../db/activity.ts";
import { deleteOldCodes } from "../db/authorization-code.ts";
import { deleteOldDeviceGrants } from "../db/device-grant.ts";
import { deleteOldInvites } from "../db/invite.ts";
import { deleteOldMails } from "../db/mail.ts";
import { deleteOldLinks } from "../db/mail-link.ts";
import { deleteOldNotifications } from "../db/notification.ts";
import { deleteOldInvitations } from "../db/organization-invitation.ts";
import { deleteFreeNames } from "../db/player.ts";
import { deleteOldProviderFlows } from "../db/provider-flow.ts";
import type { Db } from "../db/query.ts";
import { deleteOldRevocations } from "../db/revocation.ts";
import { deleteOldSessions } from "../db/session.ts";
import { deleteOldJoinings } from "../db/yggdrasil.ts";
import type { Handle } from "../queues/actor.ts";
import type { SweepAccounts } from "../queues/sweep-accounts.ts";

/** What is forgotten, and when: ended sessions, invites and invitations are history for 90 days, what people did for a year, mails hold addresses and go after 7, what people were told after half a year. */
const rules: [name: string, forget: (db: Db) => Promise<number>][] = [
  ["sessions", (db) => deleteOldSessions(db, { afterDays: 90 })],
  ["revocations", deleteOldRevocations],
  ["device grants", deleteOldDeviceGrants],
  ["authorization codes", deleteOldCodes],
  ["sign-ins through providers", deleteOldProviderFlows],
  ["activity", (db) => deleteOldActivity(db, { afterDays: 365 })],
  ["links", (db) => deleteOldLinks(db, { afterDays: 7 })],
  ["mails", (db) => deleteOldMails(db, { afterDays: 7 })],
  ["notifications", (db) => deleteOldNotifications(db, { afterDays: 180 })],
  ["invites", (db) => deleteOldInvites(db, { afterDays: 90 })],
  ["invitations", (db) => deleteOldInvitations(db, { afterDays: 90 })],
  ["names of players", deleteFreeNames],
  ["players on their way into servers", deleteOldJoinings],
];

/** Forgets, rule by rule, and answers with how many rows of each. */
export const handle: Handle<SweepAccounts, "db"> = async ({ deps: { db }, signal, log }) => {
  const gone: Record<string, number> = {};
  for (const [name, forget] of rules) {
    signal.throwIfAborted();
    gone[name] = await forget(db);
  }
  log.debug({ gone }, "forgot what is old");
  return gone;
};
