import { Elysia } from "elysia";
import { openSeal } from "../../seal.ts";
import { readUnsubscribeToken, type Unsubscription } from "../../unsubscribe.ts";
import type { Api } from "../api.ts";
import { callers, requireCaller, requireRole } from "../caller.ts";
import { linkNext } from "../pages.ts";
import { getDeliveries, pageAllDeliveries, pageInbox, readInbox } from "./inbox.ts";
import {
  AllDeliveries,
  AllDeliveriesQuery,
  Deliveries,
  Inbox,
  InboxQuery,
  MuteParams,
  NotificationParams,
  NotificationPreferences,
  NotificationPreferencesChange,
  Read,
  Reading,
  UnsubscribeParams,
} from "./model.ts";
import { changePreferences, getPreferences, muteEvent, unmuteEvent, unsubscribe } from "./preferences.ts";
import { openInboxStreams } from "./stream.ts";
import { askPage, donePage, wrongPage } from "./unsubscribe-page.ts";
import { wayRoutes } from "./way-routes.ts";

/** What people are told, and how they want to be. */
export function notifications(api: Api) {
  const streams = openInboxStreams(api);
  return new Elysia({ tags: ["notifications"] })
    .use(unsubscribeRoutes(api))
    .use(callers(api))
    .onBeforeHandle(({ set }) => {
      set.headers["cache-control"] = "private, no-store";
    })
    .use(wayRoutes(api))
    .get(
      "/v1/me/notifications",
      async ({ query, caller, request, set }) => {
        const page = await pageInbox(api, { caller: requireCaller(caller), ...query });
        Object.assign(set.headers, linkNext(request, page.nextCursor));
        return page;
      },
      { query: InboxQuery, response: { 200: Inbox }, detail: { summary: "Your inbox, newest first" } },
    )
    .post(
      "/v1/me/notifications/read",
      ({ body, caller }) => readInbox(api, { caller: requireCaller(caller), reading: body }),
      { body: Reading, response: { 200: Read }, detail: { summary: "Mark as read: some, or all" } },
    )
    .get(
      "/v1/me/notifications/events",
      async ({ caller, request }) => {
        const seen = request.headers.get("last-event-id");
        const stream = await streams.open({ caller: requireCaller(caller), signal: request.signal, seen });
        const headers = {
          "content-type": "text/event-stream",
          "cache-control": "private, no-store",
          "x-accel-buffering": "no",
        };
        return new Response(stream, { headers });
      },
      {
        detail: {
          summary: "What comes into your inbox as server-sent events; after Last-Event-ID, some may come once more",
        },
      },
    )
    .get(
      "/v1/me/notifications/:id/deliveries",
      ({ params, caller }) => getDeliveries(api, { caller: requireCaller(caller), id: params.id }),
      {
        params: NotificationParams,
        response: { 200: Deliveries },
        detail: { summary: "By which media you were told, and how that went" },
      },
    )
    .get("/v1/me/notification-preferences", ({ caller }) => getPreferences(api, requireCaller(caller)), {
      response: { 200: NotificationPreferences },
      detail: { summary: "Kinds by media, quiet hours, digest, muted events" },
    })
    .patch(
      "/v1/me/notification-preferences",
      ({ body, caller }) => changePreferences(api, { caller: requireCaller(caller), change: body }),
      {
        body: NotificationPreferencesChange,
        response: { 200: NotificationPreferences },
        detail: { summary: "Change some of that" },
      },
    )
    .put(
      "/v1/me/muted-events/:slug",
      async ({ params, caller, status }) => {
        await muteEvent(api, { caller: requireCaller(caller), slug: params.slug });
        return status(204, undefined);
      },
      { params: MuteParams, detail: { summary: "Hear no more of an event, but its cancellation" } },
    )
    .delete(
      "/v1/me/muted-events/:slug",
      async ({ params, caller, status }) => {
        await unmuteEvent(api, { caller: requireCaller(caller), slug: params.slug });
        return status(204, undefined);
      },
      { params: MuteParams, detail: { summary: "Hear of it again" } },
    )
    .get(
      "/v1/ops/deliveries",
      async ({ query, caller, request, set }) => {
        requireRole(caller, "admin", "ops");
        const page = await pageAllDeliveries(api, query);
        Object.assign(set.headers, linkNext(request, page.nextCursor));
        return page;
      },
      {
        query: AllDeliveriesQuery,
        response: { 200: AllDeliveries },
        detail: { summary: "Everybody's deliveries: how they went, not what they said" },
      },
    );
}

/** Links of mails: they work for whoever has them, signed in or not, and switch off what they name. */
function unsubscribeRoutes({ db, config }: Api) {
  const read = (token: string): Unsubscription | undefined =>
    config.NOTIFICATION_SECRET === undefined
      ? undefined
      : readUnsubscribeToken(openSeal(config.NOTIFICATION_SECRET), token);
  return new Elysia()
    .get(
      "/v1/notifications/unsubscribe/:token",
      ({ params, request }) => {
        const named = read(params.token);
        return named ? askPage(request, { all: named.kind === "all" }) : wrongPage(request);
      },
      { params: UnsubscribeParams, detail: { summary: "Asks whether to unsubscribe" } },
    )
    .post(
      "/v1/notifications/unsubscribe/:token",
      async ({ params, request }) => {
        const named = read(params.token);
        if (!named) return wrongPage(request);
        await unsubscribe({ db }, named);
        return donePage(request);
      },
      // The body says List-Unsubscribe=One-Click in one of two forms (RFC 8058, 3.2); the address says all that there is to know.
      {
        params: UnsubscribeParams,
        detail: { summary: "Unsubscribes with one click (RFC 8058)" },
      },
    );
}
