import { Elysia } from "elysia";
import type { EventRow } from "../../db/event.ts";
import { listOwnRegistrations, listPageAlbums } from "../../db/event-links.ts";
import { listOccurrences } from "../../db/occurrence.ts";
import type { Api } from "../api.ts";
import { callers, requireCaller, toReader } from "../caller.ts";
import { describe } from "../describe.ts";
import { isUnchanged, readRevision, requireRevision, shownTag } from "../etag.ts";
import { answerOnce } from "../idempotency.ts";
import { linkNext } from "../pages.ts";
import type { Caller } from "../tokens.ts";
import { openAvailabilities } from "./availability.ts";
import { describeEvent } from "./describe.ts";
import {
  Availability,
  AvailabilityQuery,
  Cancellation,
  Duplicate,
  Event,
  EventChange,
  EventQuery,
  Events,
  NewEvent,
  OccurrenceChange,
  OccurrenceParams,
  OccurrenceQuery,
  Occurrences,
  SlugParams,
} from "./model.ts";
import { pageOccurrences } from "./occurrences.ts";
import { findEvents } from "./search.ts";
import { changeEvent, createEvent, duplicateEvent, getEvent } from "./service.ts";
import { callOffEvent, changeOccurrence, deleteEvent, showEvent } from "./states.ts";

/** How many occurrences the page of an event shows. */
const shownOccurrences = 10;
const shownAlbums = 6;

/** Events: their pages, when they take place, and what is left of their seats. */
export function events(api: Api) {
  const availabilities = openAvailabilities(api);
  const describePage = async (event: EventRow, { caller, request }: { caller: Caller | null; request: Request }) => {
    const [occurrences, registrations, albums] = await Promise.all([
      listOccurrences(api.db, {
        eventId: event.id,
        from: event.rrule === null ? null : new Date(),
        to: null,
        after: null,
        limit: shownOccurrences,
      }),
      caller ? listOwnRegistrations(api.db, { eventId: event.id, userId: caller.userId }) : [],
      listPageAlbums(api.db, { eventId: event.id, reader: toReader(caller), limit: shownAlbums }),
    ]);
    return describeEvent(event, { occurrences, registrations, albums, request });
  };
  const answer = async (event: EventRow, asking: { caller: Caller | null; request: Request }): Promise<Response> => {
    const shown = await describePage(event, asking);
    const headers = {
      etag: shownTag(event.revision, shown),
      "cache-control": "private, no-cache",
      vary: "accept-language",
    };
    if (asking.request.method === "GET" && isUnchanged(asking.request, headers.etag))
      return new Response(null, { status: 304, headers });
    return Response.json(shown, { headers });
  };
  const limitNew = ({ userId }: Caller) => {
    const perMinute = api.config.LIMIT_EVENTS_PER_MINUTE;
    return api.rateLimits.take([{ name: "events", perMinute, key: userId }]);
  };
  const created = async (event: EventRow, asking: { caller: Caller; request: Request }) => {
    const body = await describePage(event, asking);
    const headers = { location: `/v1/events/${event.slug}`, etag: shownTag(event.revision, body) };
    return { status: 201, body, headers };
  };
  return new Elysia({ prefix: "/v1/events", tags: ["events"] })
    .use(callers(api))
    .get(
      "",
      async ({ query, caller, request, set }) => {
        const page = await findEvents(api, { ...query, caller, request });
        Object.assign(set.headers, linkNext(request, page.nextCursor), {
          "cache-control": caller ? "private, no-store" : "public, no-cache",
          vary: "accept-language",
        });
        return page;
      },
      { query: EventQuery, response: { 200: Events }, detail: { summary: "Events that the caller may find" } },
    )
    .post(
      "",
      async ({ body, caller: asking, request }) => {
        const caller = requireCaller(asking);
        await limitNew(caller);
        return answerOnce({ db: api.db, request, caller, body }, async () =>
          created(await createEvent(api, { caller, ...body }), { caller, request }),
        );
      },
      { body: NewEvent, detail: { summary: "Create an event", responses: describe({ 201: Event }) } },
    )
    .get(
      "/:slug",
      async ({ params, caller, request, server }) => {
        const event = await getEvent(api, { slug: params.slug, caller });
        await api.analytics.record({
          kind: "view",
          subject: { kind: "event", id: event.id },
          request,
          from: server,
          caller,
        });
        return answer(event, { caller, request });
      },
      { params: SlugParams, detail: { summary: "An event's page", responses: describe({ 200: Event }) } },
    )
    .patch(
      "/:slug",
      async ({ params, body, caller: asking, request }) => {
        const caller = requireCaller(asking);
        const revision = requireRevision(request);
        const event = await changeEvent(api, { caller, slug: params.slug, revision, change: body });
        return answer(event, { caller, request });
      },
      {
        params: SlugParams,
        body: EventChange,
        detail: { summary: "Change an event and its occurrences (If-Match)", responses: describe({ 200: Event }) },
      },
    )
    .delete(
      "/:slug",
      async ({ params, caller, request, status }) => {
        await deleteEvent(api, { caller: requireCaller(caller), slug: params.slug, revision: readRevision(request) });
        return status(204, undefined);
      },
      { params: SlugParams, detail: { summary: "Delete an event: hidden at once, its slug never used again" } },
    )
    .post(
      "/:slug/publish",
      async ({ params, caller: asking, request }) => {
        const caller = requireCaller(asking);
        return answer(await showEvent(api, { caller, slug: params.slug }), { caller, request });
      },
      { params: SlugParams, detail: { summary: "Publish a draft", responses: describe({ 200: Event }) } },
    )
    .post(
      "/:slug/cancel",
      async ({ params, body, caller: asking, request }) => {
        const caller = requireCaller(asking);
        const event = await callOffEvent(api, { caller, slug: params.slug, reason: body.reason ?? "" });
        return answer(event, { caller, request });
      },
      {
        params: SlugParams,
        body: Cancellation,
        detail: {
          summary: "Call an event off; its page and its registrations stay",
          responses: describe({ 200: Event }),
        },
      },
    )
    .post(
      "/:slug/duplicate",
      async ({ params, body, caller: asking, request }) => {
        const caller = requireCaller(asking);
        await limitNew(caller);
        const { startsAt, slug: newSlug } = body;
        return answerOnce({ db: api.db, request, caller, body }, async () =>
          created(await duplicateEvent(api, { caller, slug: params.slug, startsAt, newSlug }), { caller, request }),
        );
      },
      {
        params: SlugParams,
        body: Duplicate,
        detail: { summary: "A draft of the same event at another time", responses: describe({ 201: Event }) },
      },
    )
    .get(
      "/:slug/occurrences",
      async ({ params, query, caller, request, set }) => {
        const page = await pageOccurrences(api, { caller, slug: params.slug, ...query });
        Object.assign(set.headers, linkNext(request, page.nextCursor), { "cache-control": "private, no-store" });
        return page;
      },
      {
        params: SlugParams,
        query: OccurrenceQuery,
        response: { 200: Occurrences },
        detail: { summary: "When an event takes place, in order" },
      },
    )
    .patch(
      "/:slug/occurrences/:id",
      async ({ params, body, caller: asking, request }) => {
        const caller = requireCaller(asking);
        const revision = requireRevision(request);
        const event = await changeOccurrence(api, { caller, ...params, revision, change: body });
        return answer(event, { caller, request });
      },
      {
        params: OccurrenceParams,
        body: OccurrenceChange,
        detail: {
          summary: "Make one occurrence an exception of its series (If-Match with the event's tag)",
          responses: describe({ 200: Event }),
        },
      },
    )
    .get(
      "/:slug/availability",
      async ({ params, query, caller, set }) => {
        set.headers["cache-control"] = "no-store";
        const row = await availabilities.find({ slug: params.slug, occurrence: query.occurrence, caller });
        const { occurrenceId, opensAt, closesAt, asOf, ...seats } = row;
        return {
          occurrence: occurrenceId,
          ...seats,
          opensAt: opensAt?.toISOString() ?? null,
          closesAt: closesAt.toISOString(),
          asOf: asOf.toISOString(),
        };
      },
      {
        params: SlugParams,
        query: AvailabilityQuery,
        response: { 200: Availability },
        detail: { summary: "Seats of an occurrence, or of the next one, as they are at this moment" },
      },
    );
}
