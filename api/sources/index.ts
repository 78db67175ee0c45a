import { Elysia } from "elysia";
import type { Api } from "../api.ts";
import { callers, requireCaller } from "../caller.ts";
import { describe } from "../describe.ts";
import { toResponse } from "../idempotency.ts";
import { Accepted } from "../uploads/model.ts";
import { NewSource, OrganizationParams, Source, SourceChange, SourceParams, Sources } from "./model.ts";
import { addSource, changeSource, getSource, removeSource, searchSources, startSync } from "./service.ts";

/** Calendars of others that an organization subscribes to. */
export function sources(api: Api) {
  return new Elysia({ prefix: "/v1/organizations/:slug/sources", tags: ["sources"] })
    .use(callers(api))
    .post(
      "",
      async ({ params, body, caller }) => {
        const source = await addSource(api, { caller: requireCaller(caller), ...params, ...body });
        const location = `/v1/organizations/${params.slug}/sources/${source.id}`;
        return toResponse({ status: 201, body: source, headers: { location } });
      },
      {
        params: OrganizationParams,
        body: NewSource,
        detail: { summary: "Subscribe to a feed: iCalendar, or JSON", responses: describe({ 201: Source }) },
      },
    )
    .get("", ({ params, caller }) => searchSources(api, { caller: requireCaller(caller), ...params }), {
      params: OrganizationParams,
      response: { 200: Sources },
      detail: { summary: "An organization's sources" },
    })
    .get("/:id", ({ params, caller }) => getSource(api, { caller: requireCaller(caller), ...params }), {
      params: SourceParams,
      response: { 200: Source },
      detail: { summary: "A source, and what became of its last sync" },
    })
    .patch(
      "/:id",
      ({ params, body, caller }) => changeSource(api, { caller: requireCaller(caller), ...params, change: body }),
      {
        params: SourceParams,
        body: SourceChange,
        response: { 200: Source },
        detail: { summary: "Change a source, or pause it" },
      },
    )
    .delete(
      "/:id",
      async ({ params, caller, status }) => {
        await removeSource(api, { caller: requireCaller(caller), ...params });
        return status(204, undefined);
      },
      { params: SourceParams, detail: { summary: "End a subscription; its events stay" } },
    )
    .post(
      "/:id/sync",
      async ({ params, caller, status, set }) =>
        status(202, await startSync(api, { caller: requireCaller(caller), ...params, dryRun: false }, set.headers)),
      {
        params: SourceParams,
        response: { 202: Accepted },
        detail: { summary: "Sync now; the job's result tells what it did" },
      },
    )
    .post(
      "/:id/preview",
      async ({ params, caller, status, set }) =>
        status(202, await startSync(api, { caller: requireCaller(caller), ...params, dryRun: true }, set.headers)),
      {
        params: SourceParams,
        response: { 202: Accepted },
        detail: { summary: "What a sync would do, without doing it: in the job's result" },
      },
    );
}
