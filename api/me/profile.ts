import { Value } from "@sinclair/typebox/value";
import { insertActivity } from "../../db/activity.ts";
import { findShownAvatar } from "../../db/avatar.ts";
import {
  findPreferences,
  findProfile,
  type ProfileChange,
  type ProfileRow,
  type PublicProfileRow,
  updatePreferences,
  updateProfile,
} from "../../db/profile.ts";
import type { Deps } from "../../deps.ts";
import { Fault } from "../../fault.ts";
import type { Api } from "../api.ts";
import { describeAvatar } from "../avatars/service.ts";
import { toReader } from "../caller.ts";
import { describeGallery, type Gallery } from "../images/gallery.ts";
import type { Caller } from "../tokens.ts";
import { defaultPreferences, Preferences, type Profile, type PublicProfile } from "./model.ts";

type Profiles = Pick<Deps, "db" | "bus">;

/** The caller's own profile. 404 for a caller who is no person. */
export async function getProfile({ db }: Pick<Profiles, "db">, { userId }: Caller): Promise<ProfileRow> {
  const row = await findProfile(db, userId);
  if (!row) throw noAccount();
  return row;
}

/** Changes what is given and tells everybody who shows it. 412 when the revision is another; undefined changes any. */
export async function changeProfile(
  profiles: Profiles,
  { caller, revision, change }: { caller: Caller; revision: number | undefined; change: ProfileChange },
): Promise<ProfileRow> {
  if (change.timeZone !== undefined) requireTimeZone(change.timeZone);
  const { userId } = caller;
  const changed = await profiles.db.transaction(async (tx) => {
    const count = await updateProfile(tx, { id: userId, revision, change });
    if (count > 0)
      await insertActivity(tx, { userId, kind: "profile-changed", subject: Object.keys(change).join(", ") });
    return count > 0;
  });
  if (!changed) {
    await getProfile(profiles, caller);
    throw new Fault("changed-meanwhile", "Your profile was changed meanwhile: read it again and repeat your change");
  }
  profiles.bus.publish("user.changed", userId, { now: true });
  return getProfile(profiles, caller);
}

/** What a caller chose, with the defaults of all that he did not. */
export async function getPreferences({ db }: Pick<Profiles, "db">, { userId }: Caller): Promise<Preferences> {
  return completePreferences(await findPreferences(db, userId));
}

export async function changePreferences(
  { db }: Pick<Profiles, "db">,
  { caller, change }: { caller: Caller; change: Partial<Preferences> },
): Promise<Preferences> {
  return completePreferences(await updatePreferences(db, { id: caller.userId, change }));
}

/** Written by another version of this program, perhaps: what it does not know any more, or not so, has its default. */
function completePreferences(written: Record<string, unknown> | undefined): Preferences {
  if (!written) throw noAccount();
  const known = Object.entries(Preferences.properties).filter(([name, schema]) => Value.Check(schema, written[name]));
  return { ...defaultPreferences, ...Object.fromEntries(known.map(([name]) => [name, written[name]])) };
}

/** 422 unless this is a name of the IANA time zone database (also an old one, such as Europe/Kiev). */
function requireTimeZone(timeZone: string): void {
  try {
    // Offsets such as +03:00 are formats that it takes too, but no places: they know nothing of summer time.
    if (/^[A-Za-z]/.test(timeZone)) return void new Intl.DateTimeFormat("en", { timeZone });
  } catch {
    // told below, like an offset
  }
  throw new Fault(
    "invalid",
    `Cannot set the time zone "${timeZone}": choose one of the IANA database, such as Europe/Moscow`,
    {
      errors: [{ pointer: "/timeZone", detail: "is no time zone" }],
    },
  );
}

function noAccount(): Fault {
  return new Fault("not-found", "There is no account of yours: this token is for a service");
}

/** What a profile shows besides its own row. */
type Shown = { avatarId: string | null; images: Gallery };

/** The caller's own profile, with his avatar and the first of his images. */
export async function showProfile(
  api: Pick<Api, "db" | "knownImages">,
  { caller, row }: { caller: Caller; row: ProfileRow },
): Promise<Profile> {
  const { email, emailVerified, locale, timeZone, roles, secondFactor, hasPassword } = row;
  const viewer = { ...toReader(caller), shareId: null };
  const [avatarId = null, images] = await Promise.all([
    findShownAvatar(api.db, row.id),
    describeGallery(api, { ownerId: row.id, caller, viewer, url: "/v1/me/images" }),
  ]);
  const open = describePublicProfile(row, { avatarId, images });
  return { ...open, email, emailVerified, locale, timeZone, roles, secondFactor, hasPassword };
}

/** What everybody may see, with those of the images that one caller may. */
export function describePublicProfile(row: PublicProfileRow, { avatarId, images }: Shown): PublicProfile {
  const { id, login, displayName, bio, links, createdAt } = row;
  const avatar = avatarId === null ? null : describeAvatar(avatarId);
  return { id, login, displayName, bio, links, avatar, images, createdAt: createdAt.toISOString() };
}
