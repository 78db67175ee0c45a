import { Type as t } from "@sinclair/typebox";

/** A setting that counts something, from 1 up. */
export const count = (fallback: number, maximum = Number.MAX_SAFE_INTEGER) =>
  t.Integer({ minimum: 1, maximum, default: fallback });

/** Settings that bound what somebody may send or have: bytes, things, or calls a minute. */
export const limits = {
  LIMIT_FILE_BYTES: count(4 * 1024 ** 3 - 1),
  LIMIT_PACK_FILES: count(10_000, 100_000),
  LIMIT_PACK_BYTES: count(16 * 1024 ** 3),
  LIMIT_BODY_BYTES: count(8 * 1024 ** 2),
  LIMIT_USER_BYTES: count(50 * 1024 ** 3),
  LIMIT_USER_UPLOADS: count(100_000),
  LIMIT_USER_ORGANIZATIONS: count(20),
  LIMIT_USER_PLAYERS: count(5),
  LIMIT_PLAYER_CHANGES_PER_MINUTE: count(20),
  LIMIT_ORGANIZATION_MEMBERS: count(1_000),
  LIMIT_INVITATIONS_PER_MINUTE: count(30),
  LIMIT_REPORTS_PER_MINUTE: count(10),
  LIMIT_FOLLOWS_PER_MINUTE: count(60),
  LIMIT_EVENTS_PER_MINUTE: count(30),
  LIMIT_REGISTRATIONS_PER_MINUTE: count(60),
  LIMIT_SYNCS_PER_MINUTE: count(10),
  LIMIT_IMAGE_BYTES: t.Integer({ minimum: 1, maximum: 64 * 1024 ** 2, default: 32 * 1024 ** 2 }),
  LIMIT_USER_IMAGES: count(2_000),
  LIMIT_USER_IMAGE_BYTES: count(5 * 1024 ** 3),
  LIMIT_ALBUM_ARCHIVES_PER_MINUTE: count(6),
  LIMIT_ANALYTICS_PER_MINUTE: count(60),
  LIMIT_SIGN_INS_PER_MINUTE: count(30),
  LIMIT_SIGN_INS_PER_ACCOUNT: count(10),
};
