import { type Db, run } from "./query.ts";

/** Deletes what somebody was told, where he wanted to be told it, and what he chose. Deliveries go with their notifications. */
export async function eraseNotifications(tx: Db, userId: string): Promise<void> {
  await run(tx, {
    name: "erase_notifications",
    text: `delete from notification.notification where user_id = $1`,
    values: [userId],
  });
  await run(tx, {
    name: "erase_deliveries",
    text: `delete from notification.delivery where user_id = $1`,
    values: [userId],
  });
  await run(tx, {
    name: "erase_notification_preferences",
    text: `delete from notification.preference where user_id = $1`,
    values: [userId],
  });
  await run(tx, {
    name: "erase_notification_settings",
    text: `delete from notification.settings where user_id = $1`,
    values: [userId],
  });
  await run(tx, { name: "erase_mutes", text: `delete from notification.mute where user_id = $1`, values: [userId] });
  await run(tx, {
    name: "erase_webhooks",
    text: `delete from notification.webhook where user_id = $1`,
    values: [userId],
  });
  await run(tx, {
    name: "erase_push_subscriptions",
    text: `delete from notification.push_subscription where user_id = $1`,
    values: [userId],
  });
  await run(tx, {
    name: "erase_telegram_chats",
    text: `delete from notification.telegram_chat where user_id = $1`,
    values: [userId],
  });
}
