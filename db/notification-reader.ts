import { type Db, one } from "./query.ts";

/** A person as deliveries need him: addresses are looked up when they are used. */
export type NotificationReader = {
  login: string;
  /** Proved. */
  email: string | null;
  locale: "ru" | "en";
  timeZone: string;
  chatId: number | null;
};

/** Undefined for who is disabled, hidden or gone. */
export function findNotificationReader(db: Db, userId: string): Promise<NotificationReader | undefined> {
  return one<NotificationReader>(db, {
    name: "notification_find_reader",
    text: `select u.login, case when u.email_verified_at is not null then u.email end as email, case u.locale when 'ru' then 'ru' else 'en' end as locale,
        u.time_zone as "timeZone", c.chat_id as "chatId"
      from account."user" u left join notification.telegram_chat c on c.user_id = u.id where u.id = $1 and u.disabled_at is null and u.deleted_at is null`,
    values: [userId],
  });
}
