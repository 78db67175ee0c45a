import {
  deleteMute,
  findNotificationSettings,
  insertMute,
  listMutes,
  listPreferences,
  type PreferenceRow,
  setNotificationSettings,
  setPreferences,
} from "../../db/notification-settings.ts";
import type { Db } from "../../db/query.ts";
import type { Deps } from "../../deps.ts";
import { Fault } from "../../fault.ts";
import { chosenKinds, isKind, kinds, media } from "../../notification-kinds.ts";
import type { Unsubscription } from "../../unsubscribe.ts";
import type { Caller } from "../tokens.ts";
import type { NotificationPreferences, NotificationPreferencesChange } from "./model.ts";

/** What the caller chose, with the defaults of all that he did not. */
export async function getPreferences({ db }: { db: Db }, { userId, roles }: Caller): Promise<NotificationPreferences> {
  const settings = await findNotificationSettings(db, userId);
  if (!settings) throw new Fault("not-found", "There is no account of yours: this token is for a service");
  const chosen = new Map((await listPreferences(db, userId)).map((row) => [`${row.kind} ${row.medium}`, row.enabled]));
  const choose = (kind: (typeof chosenKinds)[number]) => {
    const { critical, on } = kinds[kind];
    const enabled = (medium: (typeof media)[number]) =>
      critical || (chosen.get(`${kind} ${medium}`) ?? on.includes(medium));
    return {
      critical,
      inbox: enabled("inbox"),
      mail: enabled("mail"),
      telegram: enabled("telegram"),
      push: enabled("push"),
    };
  };
  const { quietFrom, quietTo, digest, hasMail, hasTelegram, hasPush } = settings;
  return {
    kinds: Object.fromEntries(chosenKinds.map((kind) => [kind, choose(kind)])),
    quietHours: quietFrom !== null && quietTo !== null ? { from: quietFrom, to: quietTo } : null,
    digest,
    media: { mail: hasMail, telegram: hasTelegram, push: hasPush },
    mutedEvents: (await listMutes(db, { userId, roles })).map(({ slug }) => slug),
  };
}

/** Changes what is given. 422 for switching off what is critical. */
export async function changePreferences(
  { db }: Pick<Deps, "db">,
  { caller, change }: { caller: Caller; change: NotificationPreferencesChange },
): Promise<NotificationPreferences> {
  const { userId } = caller;
  const preferences = Object.entries(change.kinds ?? {}).flatMap(([kind, choice]) =>
    media.flatMap((medium): PreferenceRow[] => {
      const enabled = choice?.[medium];
      if (enabled === false && isKind(kind) && kinds[kind].critical)
        throw new Fault("invalid", `Cannot switch off "${kind}": it is told to everybody concerned`, {
          errors: [{ pointer: `/kinds/${kind}/${medium}`, detail: "cannot be false" }],
        });
      return enabled === undefined ? [] : [{ kind, medium, enabled }];
    }),
  );
  await db.transaction(async (tx) => {
    const now = await getPreferences({ db: tx }, caller);
    const { quietHours = now.quietHours, digest = now.digest } = change;
    const quiet = { quietFrom: quietHours?.from ?? null, quietTo: quietHours?.to ?? null };
    await setNotificationSettings(tx, { userId, ...quiet, digest });
    if (preferences.length > 0) await setPreferences(tx, { userId, preferences });
  });
  return getPreferences({ db }, caller);
}

/** Tells nothing more of an event, but its cancellation. 404 when the caller may not see it. */
export async function muteEvent(
  { db }: Pick<Deps, "db">,
  { caller, slug }: { caller: Caller; slug: string },
): Promise<void> {
  const { userId, roles } = caller;
  if ((await insertMute(db, { userId, roles, slug })) > 0) return;
  const muted = await listMutes(db, { userId, roles });
  if (!muted.some((event) => event.slug === slug))
    throw new Fault("not-found", `There is no event "${slug}" that you may see`);
}

export async function unmuteEvent(
  { db }: Pick<Deps, "db">,
  { caller, slug }: { caller: Caller; slug: string },
): Promise<void> {
  await deleteMute(db, { userId: caller.userId, slug });
}

/** Switches off what a link of ours names, for whoever has it. Doing it again changes nothing. */
export async function unsubscribe({ db }: Pick<Deps, "db">, { userId, kind, medium }: Unsubscription): Promise<void> {
  const named = kind === "all" ? chosenKinds.filter((name) => !kinds[name].critical) : [kind];
  await setPreferences(db, { userId, preferences: named.map((name) => ({ kind: name, medium, enabled: false })) });
}
