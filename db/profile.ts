import { type Db, one, run } from "./query.ts";

export type Locale = "ru" | "en";

/** What everybody may know of somebody. */
export type PublicProfileRow = {
  id: string;
  login: string;
  displayName: string;
  bio: string;
  links: Record<string, string>;
  revision: number;
  createdAt: Date;
};

/** What somebody sees of himself. */
export type ProfileRow = PublicProfileRow & {
  email: string | null;
  emailVerified: boolean;
  locale: Locale;
  timeZone: string;
  roles: string[];
  secondFactor: boolean;
  hasPassword: boolean;
};

const shown = `id, login, display_name as "displayName", bio, links, revision, created_at as "createdAt"`;
const own = `${shown}, email, email_verified_at is not null as "emailVerified", locale, time_zone as "timeZone", roles,
  totp_confirmed_at is not null as "secondFactor", password_hash is not null as "hasPassword"`;

export function findProfile(db: Db, id: string): Promise<ProfileRow | undefined> {
  return one<ProfileRow>(db, {
    name: "profile_find",
    text: `select ${own} from account."user" where id = $1 and disabled_at is null and deleted_at is null`,
    values: [id],
  });
}

/** Of somebody who is neither disabled nor hidden, by id. */
export function findPublicProfile(db: Db, id: string): Promise<PublicProfileRow | undefined> {
  return one<PublicProfileRow>(db, {
    name: "profile_find_public",
    text: `select ${shown} from account."user" where id = $1 and disabled_at is null and deleted_at is null`,
    values: [id],
  });
}

/** The same by login. */
export function findPublicProfileByLogin(db: Db, login: string): Promise<PublicProfileRow | undefined> {
  return one<PublicProfileRow>(db, {
    name: "profile_find_public_by_login",
    text: `select ${shown} from account."user" where login = $1 and disabled_at is null and deleted_at is null`,
    values: [login],
  });
}

export type ProfileChange = {
  displayName?: string;
  bio?: string;
  locale?: Locale;
  timeZone?: string;
  links?: Record<string, string>;
};

/** Changes what is given, when the revision is still that one; at any when it is undefined. 0 when somebody was first. */
export function updateProfile(
  db: Db,
  { id, revision, change }: { id: string; revision: number | undefined; change: ProfileChange },
): Promise<number> {
  return run(db, {
    name: "profile_update",
    text: `update account."user" set display_name = coalesce($3, display_name), bio = coalesce($4, bio), locale = coalesce($5, locale),
        time_zone = coalesce($6, time_zone), links = coalesce($7, links), revision = revision + 1
      where id = $1 and ($2::integer is null or revision = $2) and disabled_at is null and deleted_at is null`,
    values: [
      id,
      revision ?? null,
      change.displayName ?? null,
      change.bio ?? null,
      change.locale ?? null,
      change.timeZone ?? null,
      change.links ? JSON.stringify(change.links) : null,
    ],
  });
}

/** Preferences as they were written: what is missing has its default. */
export async function findPreferences(db: Db, id: string): Promise<Record<string, unknown> | undefined> {
  const row = await one<{ preferences: Record<string, unknown> }>(db, {
    name: "preferences_find",
    text: `select preferences from account."user" where id = $1 and disabled_at is null and deleted_at is null`,
    values: [id],
  });
  return row?.preferences;
}

/** Changes some preferences and leaves the others, also those that somebody else changes at this moment. */
export async function updatePreferences(
  db: Db,
  { id, change }: { id: string; change: Record<string, unknown> },
): Promise<Record<string, unknown> | undefined> {
  const row = await one<{ preferences: Record<string, unknown> }>(db, {
    name: "preferences_update",
    text: `update account."user" set preferences = preferences || $2 where id = $1 and disabled_at is null and deleted_at is null
      returning preferences`,
    values: [id, JSON.stringify(change)],
  });
  return row?.preferences;
}
