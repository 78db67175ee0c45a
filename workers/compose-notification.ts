import type { Config } from "../config.ts";
import type { NotificationReader } from "../db/notification-reader.ts";
import { isKind, type Kind, type Medium } from "../notification-kinds.ts";
import { explainReason, type NamedNotification, tell } from "../notification-words.ts";
import { openSeal } from "../seal.ts";
import { writeUnsubscribeToken } from "../unsubscribe.ts";

/** A mail about notifications, without whom it goes to. */
export type NotificationLetter = { subject: string; text: string; headers: Record<string, string> };

type Settings = Pick<Config, "NOTIFICATION_SECRET" | "PUBLIC_URL">;
type Compose = { userId: string; reader: NotificationReader; base: string; config: Settings };

const words = {
  ru: { off: "Больше не присылать такое", digest: "Новое для вас", also: "Отписаться от всех писем" },
  en: { off: "No more of these", digest: "News for you", also: "Unsubscribe from all mails" },
} as const;

/** One notification as a mail. `link` takes the place of the page's address where a kind has one of its own. */
export function composeOne(
  named: NamedNotification,
  { userId, reader, base, config, link }: Compose & { link?: string | undefined },
): NotificationLetter {
  const { locale: language, timeZone, login } = reader;
  const { title, body, path } = tell(named, { language, timeZone });
  const kind = isKind(named.kind) && !named.critical ? named.kind : undefined;
  const off = kind && unsubscribeLink(config, { userId, kind, medium: "mail", base });
  const reason = explainReason(named.reason, language);
  const text = [
    language === "ru" ? `Здравствуйте, ${login}!` : `Hello ${login},`,
    body || title,
    base && (link ?? base + path),
    [reason && `(${reason})`, off && `${words[language].off}: ${off}`].filter(Boolean).join("\n"),
  ];
  return { subject: oneLine(title), text: text.filter(Boolean).join("\n\n"), headers: unsubscribeHeaders(off) };
}

/** Several as one mail. */
export function composeDigest(
  items: NamedNotification[],
  { userId, reader, base, config }: Compose,
): NotificationLetter {
  const { locale: language, timeZone, login } = reader;
  const off = unsubscribeLink(config, { userId, kind: "all", medium: "mail", base });
  const parts = items.map((named) => {
    const { title, body, path } = tell(named, { language, timeZone });
    return [`* ${title}`, body, base && base + path].filter(Boolean).join("\n").replaceAll("\n", "\n  ");
  });
  const text = [
    language === "ru" ? `Здравствуйте, ${login}!` : `Hello ${login},`,
    ...parts,
    off && `${words[language].also}: ${off}`,
  ];
  return {
    subject: `${words[language].digest}: ${items.length}`,
    text: text.filter(Boolean).join("\n\n"),
    headers: unsubscribeHeaders(off),
  };
}

type Off = { userId: string; kind: Kind | "all"; medium: Medium; base: string };

/** A link that needs no signing in. None without a secret to sign it, or without an address of ours. */
function unsubscribeLink({ NOTIFICATION_SECRET: secret }: Settings, { base, ...off }: Off): string | undefined {
  if (secret === undefined || base === "") return undefined;
  return `${base}/v1/notifications/unsubscribe/${writeUnsubscribeToken(openSeal(secret), off)}`;
}

/** RFC 8058: mail programs unsubscribe with one POST. */
function unsubscribeHeaders(link: string | undefined): Record<string, string> {
  return link === undefined
    ? {}
    : { "list-unsubscribe": `<${link}>`, "list-unsubscribe-post": "List-Unsubscribe=One-Click" };
}

/** A subject is one line, whatever was put into a title. */
const oneLine = (text: string) => text.replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, " ").slice(0, 200);
