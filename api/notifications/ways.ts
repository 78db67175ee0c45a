import { Type as t } from "@sinclair/typebox";
import type { Config } from "../../config.ts";
import {
  deletePushSubscription,
  insertPushSubscription,
  listPushSubscriptions,
  type PushSubscriptionRow,
} from "../../db/push-subscription.ts";
import { deleteTelegram, findTelegram, setTelegramCode } from "../../db/telegram.ts";
import type { Deps } from "../../deps.ts";
import { hashToken } from "../../digest.ts";
import { Fault } from "../../fault.ts";
import { makeSecret } from "../../keys.ts";
import { parseTarget } from "../../outbound-address.ts";
import { openSeal, type Seal } from "../../seal.ts";
import { callBot } from "../../telegram.ts";
import { makeVapidKeys, type Subscription } from "../../web-push.ts";
import type { Caller } from "../tokens.ts";
import type { PushSubscription, PushSubscriptions, Telegram, TelegramLink } from "./model.ts";

type Ways = Pick<Deps, "db" | "config">;

const mostSubscriptions = 20;
const codeSeconds = 15 * 60;
const botTimeoutMs = 3_000;

/** The secret that seals addresses; 501 where the operator gave none. */
export function requireNotificationSecret({ NOTIFICATION_SECRET: secret }: Config): string {
  if (secret !== undefined) return secret;
  throw new Fault("not-implemented", "Not possible on this server: its operator has not set NOTIFICATION_SECRET");
}

export const openNotificationSeal = (config: Config): Seal => openSeal(requireNotificationSecret(config));

/** Keeps a browser's subscription (Push API); the same browser again takes the place of itself. */
export async function addPushSubscription(
  { db, config }: Ways,
  { caller: { userId }, subscription, device }: { caller: Caller; subscription: Subscription; device: string },
): Promise<typeof PushSubscription.static> {
  const { endpoint, keys } = subscription;
  parseTarget(endpoint); // an address that may never be reached is refused here already
  const sealed = openNotificationSeal(config).close(JSON.stringify({ endpoint, keys }), `push ${userId}`);
  const addressHash = hashToken(endpoint);
  const id = Bun.randomUUIDv7();
  const row = await insertPushSubscription(db, { id, userId, addressHash, sealed, device, most: mostSubscriptions });
  if (!row)
    throw new Fault("quota-exceeded", `Cannot subscribe: you have ${mostSubscriptions} browsers. Remove one first`);
  return describeSubscription(row);
}

export async function getPushSubscriptions(
  { db, config }: Ways,
  { userId }: Caller,
): Promise<typeof PushSubscriptions.static> {
  const { publicKey } = makeVapidKeys(requireNotificationSecret(config));
  return { publicKey, items: (await listPushSubscriptions(db, userId)).map(describeSubscription) };
}

export async function removePushSubscription(
  { db }: Ways,
  { caller: { userId }, id }: { caller: Caller; id: string },
): Promise<void> {
  if ((await deletePushSubscription(db, { id, userId })) === 0)
    throw new Fault("not-found", "There is no such subscription of yours");
}

const describeSubscription = ({ id, device, createdAt }: PushSubscriptionRow) => ({
  id,
  device,
  createdAt: createdAt.toISOString(),
});

export async function getTelegram({ db, config }: Ways, { userId }: Caller): Promise<typeof Telegram.static> {
  const row = await findTelegram(db, userId);
  return {
    available: config.TELEGRAM_BOT_TOKEN !== undefined,
    linkedAt: row?.chatId == null ? null : (row.linkedAt?.toISOString() ?? null),
  };
}

/** A word that the person says to the bot, from the account that it is to write to. 501 where there is no bot. */
export async function beginTelegram({ db, config }: Ways, { userId }: Caller): Promise<typeof TelegramLink.static> {
  if (config.TELEGRAM_BOT_TOKEN === undefined)
    throw new Fault("not-implemented", "Not possible on this server: its operator has set up no bot on Telegram");
  const code = makeSecret();
  const codeHash = hashToken(code);
  await setTelegramCode(db, { userId, codeHash, forSeconds: codeSeconds });
  const name = await findBotName(config);
  return {
    code,
    link: name === undefined ? null : `https://t.me/${name}?start=${code}`,
    expiresAt: new Date(Date.now() + codeSeconds * 1000).toISOString(),
  };
}

export async function endTelegram({ db }: Ways, { userId }: Caller): Promise<void> {
  await deleteTelegram(db, userId);
}

const Bot = t.Object({ username: t.String({ pattern: "^\\w{3,64}$" }) });

/** The bot's name; undefined while Telegram does not answer: the person can still say the word himself. */
async function findBotName(config: Config): Promise<string | undefined> {
  const signal = AbortSignal.timeout(botTimeoutMs);
  const answer = await callBot(config, "getMe", { parameters: {}, result: Bot, signal }).catch(() => undefined);
  return answer?.ok ? answer.result.username : undefined;
}
