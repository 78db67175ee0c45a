import { type Db, one, run } from "./query.ts";

export type TelegramRow = { chatId: number | null; linkedAt: Date | null };

export function findTelegram(db: Db, userId: string): Promise<TelegramRow | undefined> {
  return one<TelegramRow>(db, {
    name: "telegram_find",
    text: `select chat_id as "chatId", linked_at as "linkedAt" from notification.telegram_chat where user_id = $1`,
    values: [userId],
  });
}

/** Keeps the hash of a word that links whoever says it to the bot; the former word links no more. */
export function setTelegramCode(
  db: Db,
  { userId, codeHash, forSeconds }: { userId: string; codeHash: string; forSeconds: number },
): Promise<number> {
  return run(db, {
    name: "telegram_set_code",
    text: `insert into notification.telegram_chat (user_id, code_hash, code_expires_at) values ($1, $2, now() + make_interval(secs => $3))
      on conflict (user_id) do update set code_hash = excluded.code_hash, code_expires_at = excluded.code_expires_at`,
    values: [userId, codeHash, forSeconds],
  });
}

/** Uses a word up and links the chat. 0 when it is wrong, used or too old. */
export function linkTelegram(db: Db, { codeHash, chatId }: { codeHash: string; chatId: number }): Promise<number> {
  return run(db, {
    name: "telegram_link",
    text: `update notification.telegram_chat set chat_id = $2, linked_at = now(), code_hash = null, code_expires_at = null
      where code_hash = $1 and code_expires_at > now()`,
    values: [codeHash, chatId],
  });
}

export function deleteTelegram(db: Db, userId: string): Promise<number> {
  return run(db, {
    name: "telegram_delete",
    text: `delete from notification.telegram_chat where user_id = $1`,
    values: [userId],
  });
}

/** Nobody is written to in a chat any more: the person has stopped the bot. */
export function unlinkChat(db: Db, chatId: number): Promise<number> {
  return run(db, {
    name: "telegram_unlink_chat",
    text: `delete from notification.telegram_chat where chat_id = $1`,
    values: [chatId],
  });
}

/** Takes the bot's feed for one run, for so long. Undefined when another run reads it. */
export function claimTelegramFeed(db: Db, forSeconds: number): Promise<{ nextUpdate: number } | undefined> {
  return one<{ nextUpdate: number }>(db, {
    name: "telegram_claim_feed",
    text: `insert into notification.telegram_feed as f (claimed_until) values (clock_timestamp() + make_interval(secs => $1))
      on conflict (id) do update set claimed_until = excluded.claimed_until where f.claimed_until is null or f.claimed_until < clock_timestamp()
      returning next_update as "nextUpdate"`,
    values: [forSeconds],
  });
}

/** Everything before `nextUpdate` was read. */
export function settleTelegramFeed(db: Db, nextUpdate: number): Promise<number> {
  return run(db, {
    name: "telegram_settle_feed",
    text: `update notification.telegram_feed set next_update = greatest(next_update, $1), claimed_until = null`,
    values: [nextUpdate],
  });
}
