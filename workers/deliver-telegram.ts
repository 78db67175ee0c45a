import { Type as t } from "@sinclair/typebox";
import type { ClaimedDelivery } from "../db/delivery.ts";
import { findNotificationReader } from "../db/notification-reader.ts";
import { listTellable } from "../db/notification-words.ts";
import { claimTelegramFeed, linkTelegram, settleTelegramFeed, unlinkChat } from "../db/telegram.ts";
import type { Deps } from "../deps.ts";
import { hashToken } from "../digest.ts";
import { tell } from "../notification-words.ts";
import type { Handle } from "../queues/actor.ts";
import type { DeliverTelegram } from "../queues/deliver-telegram.ts";
import { callBot } from "../telegram.ts";
import { drain, type Outcome } from "./deliver.ts";

type Writing = Pick<Deps, "db" | "config"> & { signal: AbortSignal };

const lanes = 4;
const feedSeconds = 30;
/** Longer texts are cut; the API takes 4,096 characters. */
const maxLength = 4_000;

const Updates = t.Array(
  t.Object({
    update_id: t.Integer(),
    message: t.Optional(
      t.Object({
        text: t.Optional(t.String()),
        chat: t.Object({ id: t.Integer(), type: t.String() }),
        from: t.Optional(t.Object({ language_code: t.Optional(t.String()) })),
      }),
    ),
  }),
);
type Update = (typeof Updates.static)[number];

const answers = {
  ru: {
    linked: "Готово: уведомления будут приходить сюда. Чтобы прекратить, отправьте /stop.",
    wrong: "Эта ссылка неверна или устарела. Возьмите новую в настройках уведомлений.",
    stopped: "Готово: сюда больше ничего не придёт.",
  },
  en: {
    linked: "Done: notifications will come here. Send /stop to end that.",
    wrong: "This link is wrong or expired. Take a new one from the settings of notifications.",
    stopped: "Done: nothing more comes here.",
  },
} as const;

/** Writes what is due, and reads what the bot was told. Without a bot everything waits. */
export const handle: Handle<DeliverTelegram, "db" | "config"> = async ({ deps: { db, config }, signal, log }) => {
  if (config.TELEGRAM_BOT_TOKEN === undefined) return { state: "kept", reason: "TELEGRAM_BOT_TOKEN is not set" };
  const writing = { db, config, signal };
  const reading = readFeed(writing).catch((error) => log.info({ err: error }, "the bot's messages were not read"));
  const written = await drain({ db, media: ["telegram"], lanes, signal, log }, (delivery) =>
    writeOne(writing, delivery),
  );
  await reading;
  return { written };
};

async function writeOne(
  { db, config, signal }: Writing,
  { userId, notificationId }: ClaimedDelivery,
): Promise<Outcome> {
  const reader = userId === null ? undefined : await findNotificationReader(db, userId);
  if (!reader || reader.chatId === null || userId === null) return { state: "skipped", why: "no chat is linked" };
  const [named] = await listTellable(db, { userId, ids: [notificationId] });
  if (!named) return { state: "skipped", why: "not to be told any more" };
  const { title, body, path } = tell(named, { language: reader.locale, timeZone: reader.timeZone });
  const base = config.PUBLIC_URL ?? "";
  const text = [title, body, base && base + path].filter(Boolean).join("\n\n").slice(0, maxLength);
  // No parse mode: names are texts of strangers.
  const parameters = { chat_id: reader.chatId, text, link_preview_options: { is_disabled: true } };
  const answer = await callBot(config, "sendMessage", { parameters, result: t.Unknown(), signal }).catch(
    () => undefined,
  );
  if (!answer) return { state: "later", why: "Telegram does not answer" };
  if (answer.ok) return { state: "sent", status: 200 };
  const { status, retryAfterSeconds: seconds } = answer;
  if (status === 403) {
    await unlinkChat(db, reader.chatId);
    return { state: "failed", why: "the bot was stopped", status };
  }
  if (status === 400) return { state: "failed", why: "Telegram refused it", status };
  return { state: "later", why: "Telegram did not take it", status, ...(seconds !== undefined && { seconds }) };
}

/** Reads what was said to the bot, by one run at a time: `/start WORD` links a chat, `/stop` ends that. */
async function readFeed({ db, config, signal }: Writing): Promise<void> {
  const feed = await claimTelegramFeed(db, feedSeconds);
  if (!feed) return;
  let { nextUpdate } = feed;
  try {
    const parameters = { offset: nextUpdate, timeout: 0, allowed_updates: ["message"] };
    const answer = await callBot(config, "getUpdates", { parameters, result: Updates, signal });
    if (!answer.ok) return;
    for (const update of answer.result) {
      await hear({ db, config, signal }, update);
      nextUpdate = Math.max(nextUpdate, update.update_id + 1);
    }
  } finally {
    await settleTelegramFeed(db, nextUpdate);
  }
}

async function hear({ db, config, signal }: Writing, { message }: Update): Promise<void> {
  if (message?.chat.type !== "private") return;
  const { id: chatId } = message.chat;
  const words = answers[message.from?.language_code === "ru" ? "ru" : "en"];
  const code = /^\/start ([\w-]{10,64})$/.exec(message.text ?? "")?.[1];
  let text: string | undefined;
  if (code !== undefined) {
    const codeHash = hashToken(code);
    text = (await linkTelegram(db, { codeHash, chatId })) > 0 ? words.linked : words.wrong;
  } else if (message.text === "/stop") {
    await unlinkChat(db, chatId);
    text = words.stopped;
  }
  if (text === undefined) return;
  await callBot(config, "sendMessage", { parameters: { chat_id: chatId, text }, result: t.Unknown(), signal });
}
