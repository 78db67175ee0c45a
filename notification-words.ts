import { isKind, type Subject } from "./notification-kinds.ts";
import { type Language, type Told, texts, type Words } from "./notification-texts.ts";

/** A notification with the names of what it is about; a missing one is null. */
export type NamedNotification = {
  id: string;
  /** Null: an organization's. */
  userId: string | null;
  kind: string;
  reason: string;
  critical: boolean;
  fields: string[];
  readAt: Date | null;
  createdAt: Date;
  subject: Subject;
  packSlug: string | null;
  packName: string | null;
  version: string | null;
  eventSlug: string | null;
  eventTitle: { ru?: string; en?: string } | null;
  startsAt: Date | null;
  offeredUntil: Date | null;
  organizationSlug: string | null;
  organizationName: string | null;
  person: string | null;
  note: string | null;
};

export type Reader = { language: Language; timeZone: string };

/** Puts a notification into the words of its reader, at the clock of his time zone. One of a kind that is gone says only that. */
export function tell(named: NamedNotification, { language, timeZone }: Reader): Told & { path: string } {
  const { eventTitle, startsAt, offeredUntil } = named;
  const words: Words = {
    pack: named.packName || named.packSlug || "",
    version: named.version ?? "",
    event: eventTitle?.[language] || eventTitle?.[language === "ru" ? "en" : "ru"] || named.eventSlug || "",
    when: startsAt === null ? "" : formatTime(startsAt, { language, timeZone }),
    organization: named.organizationName ?? "",
    person: named.person ?? (language === "ru" ? "кто-то" : "somebody"),
    fields: named.fields,
    note: named.note ?? "",
    until: offeredUntil === null ? "" : formatTime(offeredUntil, { language, timeZone }),
  };
  const written = isKind(named.kind) ? texts[language][named.kind](words) : { title: named.kind, body: "" };
  return { ...written, path: pathOf(named) };
}

/** The page about what a notification is about. */
export function pathOf({ kind, packSlug, eventSlug, organizationSlug }: NamedNotification): string {
  if (kind === "account.sign-in-changed") return "/reset";
  if (kind.startsWith("version.") && packSlug !== null) return `/packs/${packSlug}`;
  if (eventSlug !== null) return `/events/${eventSlug}`;
  if (organizationSlug !== null) return `/organizations/${organizationSlug}`;
  return "/notifications";
}

function formatTime(at: Date, { language, timeZone }: Reader): string {
  const format = (zone: string) =>
    new Intl.DateTimeFormat(language === "ru" ? "ru-RU" : "en-GB", {
      dateStyle: "full",
      timeStyle: "short",
      timeZone: zone,
    }).format(at);
  try {
    return `${format(timeZone)} (${timeZone})`;
  } catch {
    return `${format("UTC")} (UTC)`; // a zone that this system does not know
  }
}

const why: Record<string, Record<Language, string>> = {
  follow: { ru: "вы на это подписаны", en: "you follow this" },
  registered: { ru: "вы записаны", en: "you registered" },
  organizer: { ru: "вы организатор", en: "you are an organizer" },
  manager: { ru: "вы управляете организацией", en: "you manage the organization" },
  self: { ru: "это ваша учётная запись", en: "it is your account" },
  invited: { ru: "вас пригласили", en: "you were invited" },
  admin: { ru: "вы администратор", en: "you are an admin" },
  reporter: { ru: "это ваша жалоба", en: "it is your report" },
};

/** Why somebody is told something, for him to read. */
export function explainReason(reason: string, language: Language): string {
  return why[reason]?.[language] ?? "";
}
