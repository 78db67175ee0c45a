import { Elysia } from "elysia";
import type { Api } from "../api.ts";
import { callers, requireCaller } from "../caller.ts";
import {
  NewPushSubscription,
  NotificationParams,
  PushSubscription,
  PushSubscriptions,
  Telegram,
  TelegramLink,
} from "./model.ts";
import {
  addPushSubscription,
  beginTelegram,
  endTelegram,
  getPushSubscriptions,
  getTelegram,
  removePushSubscription,
} from "./ways.ts";

/** The ways to a person besides his inbox and his address: browsers and Telegram. */
export function wayRoutes(api: Api) {
  return new Elysia()
    .use(callers(api))
    .get("/v1/me/push-subscriptions", ({ caller }) => getPushSubscriptions(api, requireCaller(caller)), {
      response: { 200: PushSubscriptions },
      detail: { summary: "Browsers that you are told in, and the key to subscribe with" },
    })
    .post(
      "/v1/me/push-subscriptions",
      async ({ body: { endpoint, keys, device = "" }, caller, status }) => {
        const subscription = { endpoint, keys };
        return status(201, await addPushSubscription(api, { caller: requireCaller(caller), subscription, device }));
      },
      {
        body: NewPushSubscription,
        response: { 201: PushSubscription },
        detail: { summary: "Be told in this browser: PushSubscription.toJSON()" },
      },
    )
    .delete(
      "/v1/me/push-subscriptions/:id",
      async ({ params, caller, status }) => {
        await removePushSubscription(api, { caller: requireCaller(caller), id: params.id });
        return status(204, undefined);
      },
      { params: NotificationParams, detail: { summary: "Be told in it no longer" } },
    )
    .get("/v1/me/telegram", ({ caller }) => getTelegram(api, requireCaller(caller)), {
      response: { 200: Telegram },
      detail: { summary: "Whether you are told on Telegram" },
    })
    .post(
      "/v1/me/telegram",
      async ({ caller, status }) => status(201, await beginTelegram(api, requireCaller(caller))),
      { response: { 201: TelegramLink }, detail: { summary: "A word that links your chat with the bot" } },
    )
    .delete(
      "/v1/me/telegram",
      async ({ caller, status }) => {
        await endTelegram(api, requireCaller(caller));
        return status(204, undefined);
      },
      { detail: { summary: "Be told on Telegram no longer" } },
    );
}
