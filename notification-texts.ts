import type { Kind } from "./notification-kinds.ts";

export type Language = "ru" | "en";

/** What a text may name, resolved at the moment of reading, in the reader's language and time zone. Missing ones are empty. */
export type Words = {
  pack: string;
  version: string;
  event: string;
  /** Start of the occurrence, with its zone. */
  when: string;
  organization: string;
  person: string;
  /** What was changed, by name. */
  fields: readonly string[];
  /** Why it was cancelled, or what was answered. */
  note: string;
  /** Until when an offer holds, with the zone. */
  until: string;
};

/** A notification in words. */
export type Told = { title: string; body: string };
type Texts = Record<Kind, (words: Words) => Told>;

const told = (title: string, ...lines: string[]): Told => ({ title, body: lines.filter(Boolean).join("\n") });

/** What people hear of when it is changed; of anything else only programs do. */
const fieldNames: Record<string, [ru: string, en: string]> = {
  title: ["название", "title"],
  text: ["описание", "description"],
  place: ["место", "place"],
  startsAt: ["начало", "start"],
  endsAt: ["конец", "end"],
  timeZone: ["часовой пояс", "time zone"],
  rrule: ["повторение", "recurrence"],
  pack: ["сборка", "pack"],
  version: ["версия сборки", "version of the pack"],
  cancelled: ["всё-таки состоится", "it takes place after all"],
};

export const isToldField = (field: string) => Object.hasOwn(fieldNames, field);

/** Names of fields for people, those that are told; anything else is "more". */
function listFields(fields: readonly string[], language: Language): string {
  const place = language === "ru" ? 0 : 1;
  const known = fields.flatMap((field) => (Object.hasOwn(fieldNames, field) ? (fieldNames[field]?.[place] ?? []) : []));
  const names = new Set(known);
  if (names.size === 0 || fields.length > known.length) names.add(language === "ru" ? "другое" : "more");
  return [...names].join(", ");
}

const en: Texts = {
  "version.published": ({ pack, version }) =>
    told(`${pack} ${version} is out`, `Version ${version} of ${pack} was published.`),
  "version.yanked": ({ pack, version }) =>
    told(
      `${pack} ${version} was taken back`,
      `Version ${version} of ${pack} is not offered any more; it can still be installed.`,
    ),
  "version.withdrawn": ({ pack, version }) =>
    told(
      `${pack} ${version} was withdrawn`,
      `Version ${version} of ${pack} is served to nobody any more. Install another one.`,
    ),
  "version.publish-failed": ({ pack, version }) =>
    told(
      `${pack} ${version} was not published`,
      `Version ${version} of ${pack} stays a draft: it was not complete any more, or who had scheduled it may no longer publish. Publish it by hand, which says what is missing.`,
    ),
  "version.broken": ({ pack, version }) =>
    told(
      `${pack} ${version} is damaged`,
      `Stored files of version ${version} of ${pack} are missing or changed, and are served to nobody. Send them again: publishing the same folder does it.`,
    ),
  "event.published": ({ event, when }) => told(`New event: ${event}`, when),
  "event.changed": ({ event, when, fields }) =>
    told(`Changed: ${event}`, `Now different: ${listFields(fields, "en")}.`, when && `It begins ${when}.`),
  "event.cancelled": ({ event, when, note }) =>
    told(
      `Cancelled: ${event}`,
      `${event}${when && `, ${when},`} will not take place.`,
      note && `The organizer says: ${note}`,
    ),
  "registration.requested": ({ event, when }) =>
    told(`Your request: ${event}`, "The organizer decides about it.", when),
  "registration.confirmed": ({ event, when }) => told(`You have a seat: ${event}`, when),
  "registration.waitlisted": ({ event, when }) =>
    told(
      `You are on the waitlist: ${event}`,
      "You get a seat when one is free and everybody before you has one.",
      when,
    ),
  "registration.offered": ({ event, when, until }) =>
    told(`A seat is offered to you: ${event}`, until && `Take it before ${until}, or it goes to the next one.`, when),
  "registration.declined": ({ event, note }) =>
    told(`Declined: ${event}`, "The organizer has declined your registration.", note),
  "registration.cancelled": ({ event, note }) => told(`Your registration was cancelled: ${event}`, note),
  "registration.offer-expired": ({ event }) =>
    told(`Your offer is over: ${event}`, "You did not take the seat in time, and it went to the next one."),
  "registration.to-approve": ({ event, person }) =>
    told(`A request waits for you: ${event}`, `${person} asks for a seat.`),
  "organization.invited": ({ organization }) =>
    told(`You are invited: ${organization}`, "Accept or decline it in your invitations."),
  "organization.transfer-offered": ({ organization }) =>
    told(`${organization} is offered to you`, "Its owner wants you to own it. Accept or decline it."),
  "organization.member-joined": ({ organization, person }) =>
    told(`New member: ${organization}`, `${person} has joined.`),
  "report.filed": ({ note }) => told("A report waits for an answer", note),
  "report.answered": ({ note }) => told("Your report was answered", note),
  "account.sign-in-changed": () =>
    told(
      "Your sign-in was changed",
      "Your password, second factor or a linked service is another now. If it was not you, set a new password at once, which ends all sessions.",
    ),
  test: () => told("It works", "This is a test that you asked for."),
};

const ru: Texts = {
  "version.published": ({ pack, version }) =>
    told(`Вышла ${pack} ${version}`, `Опубликована версия ${version} сборки «${pack}».`),
  "version.yanked": ({ pack, version }) =>
    told(
      `${pack} ${version} отозвана`,
      `Версию ${version} сборки «${pack}» больше не предлагают, но установить её ещё можно.`,
    ),
  "version.withdrawn": ({ pack, version }) =>
    told(`${pack} ${version} снята`, `Версию ${version} сборки «${pack}» больше никому не отдают. Установите другую.`),
  "version.publish-failed": ({ pack, version }) =>
    told(
      `${pack} ${version}: не опубликовано`,
      `Версия ${version} сборки ${pack} осталась черновиком: она уже не полна, или тот, кто назначил время, больше не вправе публиковать. Опубликуйте её вручную: будет видно, чего не хватает.`,
    ),
  "version.broken": ({ pack, version }) =>
    told(
      `${pack} ${version} повреждена`,
      `Сохранённые файлы версии ${version} сборки «${pack}» пропали или изменились, их никому не отдают. Отправьте их снова: достаточно опубликовать ту же папку.`,
    ),
  "event.published": ({ event, when }) => told(`Новое событие: ${event}`, when),
  "event.changed": ({ event, when, fields }) =>
    told(`Изменено: ${event}`, `Изменилось: ${listFields(fields, "ru")}.`, when && `Начало: ${when}.`),
  "event.cancelled": ({ event, when, note }) =>
    told(`Отменено: ${event}`, `«${event}»${when && ` (${when})`} не состоится.`, note && `Организатор пишет: ${note}`),
  "registration.requested": ({ event, when }) => told(`Ваша заявка: ${event}`, "Решение за организатором.", when),
  "registration.confirmed": ({ event, when }) => told(`У вас есть место: ${event}`, when),
  "registration.waitlisted": ({ event, when }) =>
    told(
      `Вы в листе ожидания: ${event}`,
      "Место достанется вам, когда освободится и у всех перед вами оно уже будет.",
      when,
    ),
  "registration.offered": ({ event, when, until }) =>
    told(`Вам предлагают место: ${event}`, until && `Займите его до ${until}, иначе оно перейдёт следующему.`, when),
  "registration.declined": ({ event, note }) => told(`Отказано: ${event}`, "Организатор отклонил вашу запись.", note),
  "registration.cancelled": ({ event, note }) => told(`Ваша запись отменена: ${event}`, note),
  "registration.offer-expired": ({ event }) =>
    told(`Срок предложения истёк: ${event}`, "Вы не успели занять место, и оно перешло следующему."),
  "registration.to-approve": ({ event, person }) => told(`Вас ждёт заявка: ${event}`, `${person} просит место.`),
  "organization.invited": ({ organization }) =>
    told(`Вас приглашают: ${organization}`, "Примите или отклоните приглашение в своём списке приглашений."),
  "organization.transfer-offered": ({ organization }) =>
    told(`Вам передают «${organization}»`, "Владелец хочет передать её вам. Примите или отклоните."),
  "organization.member-joined": ({ organization, person }) =>
    told(`Новый участник: ${organization}`, `Теперь с вами ${person}.`),
  "report.filed": ({ note }) => told("Жалоба ждёт ответа", note),
  "report.answered": ({ note }) => told("На вашу жалобу ответили", note),
  "account.sign-in-changed": () =>
    told(
      "Вход в вашу учётную запись изменён",
      "Пароль, второй фактор или привязанный сервис теперь другой. Если это были не вы, сразу задайте новый пароль: это завершит все сеансы.",
    ),
  test: () => told("Работает", "Это проверка, о которой вы просили."),
};

/** The words of every kind in both languages. */
export const texts: Record<Language, Texts> = { ru, en };
