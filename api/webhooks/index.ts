import { Elysia, t } from "elysia";
import { lockPack } from "../../db/pack.ts";
import type { Db } from "../../db/query.ts";
import type { WebhookRow } from "../../db/webhook.ts";
import type { Api } from "../api.ts";
import { callers, requireCaller } from "../caller.ts";
import { describe } from "../describe.ts";
import { requireRevision, revisionTag } from "../etag.ts";
import { DeliveryPage } from "../notifications/model.ts";
import { openNotificationSeal } from "../notifications/ways.ts";
import { getOrganizationAs, shareOrganizationAs } from "../organizations/standing.ts";
import { getPackAs } from "../packs/service.ts";
import { linkNext } from "../pages.ts";
import { confirmCaller } from "../sessions/service.ts";
import type { Caller } from "../tokens.ts";
import {
  LogQuery,
  MadeWebhook,
  NewWebhook,
  type ParamsOf,
  params,
  Secret,
  Tested,
  Webhook,
  WebhookChange,
  Webhooks,
} from "./model.ts";
import {
  changeWebhook,
  createWebhook,
  describeWebhook,
  getWebhook,
  getWebhooks,
  type Owner,
  pageDeliveries,
  removeWebhook,
  renewSecret,
  replay,
  testWebhook,
} from "./service.ts";

const testsPerMinute = 10;

/** Webhooks of people, of organizations and of packs: the same routes below three addresses. */
export function webhooks(api: Api) {
  return new Elysia({ tags: ["webhooks"] })
    .use(
      routes(api, {
        prefix: "/v1/me/webhooks",
        whose: "yours",
        named: params.ofPerson,
        ofWhom: async (caller) => ({
          userId: caller.userId,
          organizationId: null,
          packId: null,
          lock: (tx) => confirmCaller(tx, caller),
        }),
      }),
    )
    .use(
      routes(api, {
        prefix: "/v1/organizations/:slug/webhooks",
        whose: "the organization's",
        named: params.ofThing,
        ofWhom: async (caller, slug) => {
          const standing = { slug, caller, role: "manager" as const };
          const { id } = await getOrganizationAs(api, standing);
          return {
            userId: null,
            organizationId: id,
            packId: null,
            lock: async (tx) => void (await shareOrganizationAs(tx, standing)),
          };
        },
      }),
    )
    .use(
      routes(api, {
        prefix: "/v1/packs/:slug/webhooks",
        whose: "the pack's",
        named: params.ofThing,
        ofWhom: async (caller, slug) => {
          const standing = { slug, caller, role: "maintainer" as const };
          const { id } = await getPackAs(api, standing);
          const lock = async (tx: Db) => {
            await confirmCaller(tx, caller);
            // One at a time, so that they are counted.
            await lockPack(tx, id);
            await getPackAs({ db: tx }, standing);
          };
          return { userId: null, organizationId: null, packId: id, lock };
        },
      }),
    );
}

type Whose = {
  prefix: string;
  whose: string;
  named: ParamsOf;
  /** The owner, as long as the caller may act for him. */
  ofWhom: (caller: Caller, slug: string) => Promise<Owner>;
};

function routes(api: Api, { prefix, whose, named, ofWhom }: Whose) {
  const ownerOf = ({ caller, params }: { caller: Caller | null; params: { slug?: string } | undefined }) =>
    ofWhom(requireCaller(caller), params?.slug ?? "");
  const show = (row: WebhookRow) => describeWebhook(row, openNotificationSeal(api.config));
  const all = t.Unsafe<{ slug?: string } | undefined>(named.all);
  const one = t.Unsafe<{ slug?: string; id: string }>(named.one);
  const delivery = t.Unsafe<{ slug?: string; id: string; delivery: string }>(named.delivery);
  return new Elysia({ prefix })
    .use(callers(api))
    .onBeforeHandle(({ set }) => {
      set.headers["cache-control"] = "private, no-store";
    })
    .get("", async ({ caller, params }) => getWebhooks(api, await ownerOf({ caller, params })), {
      params: all,
      response: { 200: Webhooks },
      detail: { summary: `Webhooks: ${whose}` },
    })
    .post(
      "",
      async ({ body, caller, params, set, status }) => {
        // No Idempotency-Key: an answer that is kept for being repeated would keep the secret.
        const made = await createWebhook(api, { owner: await ownerOf({ caller, params }), webhook: body });
        set.headers.location = `${prefix.replace(":slug", params?.slug ?? "")}/${made.id}`;
        return status(201, made);
      },
      {
        params: all,
        body: NewWebhook,
        response: { 201: MadeWebhook },
        detail: { summary: `Make a webhook, ${whose}; its secret is shown once` },
      },
    )
    .get(
      "/:id",
      async ({ caller, params }) =>
        tagged(await getWebhook(api, { owner: await ownerOf({ caller, params }), id: params.id }), show),
      { params: one, detail: { summary: `A webhook, ${whose}`, responses: describe({ 200: Webhook }) } },
    )
    .patch(
      "/:id",
      async ({ body, caller, params, request }) => {
        const owner = await ownerOf({ caller, params });
        const revision = requireRevision(request);
        return tagged(await changeWebhook(api, { owner, id: params.id, revision, change: body }), show);
      },
      {
        params: one,
        body: WebhookChange,
        detail: {
          summary: "Change it, disable it, take it up again (If-Match)",
          responses: describe({ 200: Webhook }),
        },
      },
    )
    .delete(
      "/:id",
      async ({ caller, params, status }) => {
        await removeWebhook(api, { owner: await ownerOf({ caller, params }), id: params.id });
        return status(204, undefined);
      },
      { params: one, detail: { summary: "Delete it, with its log" } },
    )
    .post(
      "/:id/secret",
      async ({ caller, params }) => renewSecret(api, { owner: await ownerOf({ caller, params }), id: params.id }),
      {
        params: one,
        response: { 200: Secret },
        detail: { summary: "A new secret; the former signs nothing any more" },
      },
    )
    .post(
      "/:id/test",
      async ({ caller, params, set, status }) => {
        const owner = await ownerOf({ caller, params });
        const key = requireCaller(caller).userId;
        await api.rateLimits.take([{ name: "webhook-tests", perMinute: testsPerMinute, key }], set.headers);
        return status(202, await testWebhook(api, { owner, id: params.id }));
      },
      { params: one, response: { 202: Tested }, detail: { summary: "Post a test; the log says how it went" } },
    )
    .get(
      "/:id/deliveries",
      async ({ query, caller, params, request, set }) => {
        const page = await pageDeliveries(api, { owner: await ownerOf({ caller, params }), id: params.id, ...query });
        Object.assign(set.headers, linkNext(request, page.nextCursor));
        return page;
      },
      {
        params: one,
        query: LogQuery,
        response: { 200: DeliveryPage },
        detail: { summary: "What was posted to it, newest first" },
      },
    )
    .post(
      "/:id/deliveries/:delivery/replay",
      async ({ caller, params, set, status }) => {
        const owner = await ownerOf({ caller, params });
        const key = requireCaller(caller).userId;
        await api.rateLimits.take([{ name: "webhook-tests", perMinute: testsPerMinute, key }], set.headers);
        return status(202, await replay(api, { owner, id: params.id, delivery: params.delivery }));
      },
      { params: delivery, response: { 202: Tested }, detail: { summary: "Post it once more, under its old id" } },
    );
}

function tagged(row: WebhookRow, show: (row: WebhookRow) => Webhook): Response {
  const headers = { etag: revisionTag(row.revision), "cache-control": "private, no-store" };
  return Response.json(show(row), { headers });
}
