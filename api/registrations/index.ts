import { Elysia } from "elysia";
import type { Api } from "../api.ts";
import { callers, requireCaller } from "../caller.ts";
import { describe } from "../describe.ts";
import { answerOnce, toResponse } from "../idempotency.ts";
import { linkNext } from "../pages.ts";
import { checkInByCode, checkInByServer, getCode } from "./codes.ts";
import { exportRegistrations } from "./csv.ts";
import { openKnownEvents } from "./known-events.ts";
import * as model from "./model.ts";
import { openRegistrar } from "./registrar.ts";
import { addServer, listServers, removeServer } from "./servers.ts";
import * as service from "./service.ts";

const kept = { "cache-control": "private, no-store" };

/** Registrations: who takes part in an event, who waits, and who came. */
export function registrations(api: Api) {
  const seats = { registrar: openRegistrar(api), findKnownEvent: openKnownEvents(api) };
  return new Elysia({ prefix: "/v1", tags: ["registrations"] })
    .use(callers(api))
    .post(
      "/events/:slug/registrations",
      async ({ params: { slug }, body, caller, request, set }) => {
        const person = requireCaller(caller);
        const perMinute = api.config.LIMIT_REGISTRATIONS_PER_MINUTE;
        // Counted by each process alone: a rush is many people, and none of them waits for a counter.
        await api.rateLimits.take([{ name: "registrations", perMinute, key: person.userId, alone: true }], set.headers);
        const work = async () => {
          const { registration, created } = await service.register(
            { ...seats, db: api.db, bus: api.bus },
            { caller: person, slug, ...body },
          );
          const location = `/v1/events/${slug}/registrations/${registration.id}`;
          return { status: created ? 201 : 200, body: registration, headers: { location } };
        };
        // One for each person anyway: whoever sends no key is not made to wait for the keeping of an answer.
        return request.headers.has("idempotency-key")
          ? answerOnce({ db: api.db, request, caller: person, body }, work)
          : toResponse(await work());
      },
      {
        params: model.EventParams,
        body: model.NewRegistration,
        detail: {
          summary: "Register for an event: a seat, or a place among those who wait",
          responses: describe({ 200: model.Registration, 201: model.Registration }),
        },
      },
    )
    .get(
      "/events/:slug/registrations",
      async ({ params: { slug }, query, caller, request, set }) => {
        const page = await service.searchRegistrations(api, { slug, caller: requireCaller(caller), ...query });
        Object.assign(set.headers, linkNext(request, page.nextCursor), kept);
        return page;
      },
      {
        params: model.EventParams,
        query: model.RegistrationQuery,
        response: { 200: model.Registrations },
        detail: { summary: "Who registered, for the organizers" },
      },
    )
    .get(
      "/events/:slug/registrations.csv",
      async ({ params: { slug }, query: { occurrence = null }, caller }) => {
        const eventId = await service.requireOrganizer(api.db, { caller: requireCaller(caller), slug });
        const questions = ((await seats.findKnownEvent(slug))?.questions ?? []).map(({ id }) => id);
        const lines = exportRegistrations(api, { eventId, occurrenceId: occurrence, questions });
        return new Response(toStream(lines), {
          headers: {
            ...kept,
            "content-type": "text/csv; charset=utf-8; header=present",
            "content-disposition": `attachment; filename="registrations.csv"`,
            "x-content-type-options": "nosniff",
          },
        });
      },
      {
        params: model.EventParams,
        query: model.OccurrenceQuery,
        detail: { summary: "Who registered, as CSV; of one date when it is named" },
      },
    )
    .get(
      "/events/:slug/registrations/:id",
      async ({ params: { slug, id }, caller, set }) => {
        Object.assign(set.headers, kept);
        return service.getRegistration(api, { caller: requireCaller(caller), slug, id });
      },
      {
        params: model.Params,
        response: { 200: model.FullRegistration },
        detail: { summary: "A registration and what became of it" },
      },
    )
    .get(
      "/events/:slug/registrations/:id/code",
      async ({ params: { slug, id }, caller, set }) => {
        Object.assign(set.headers, kept);
        return getCode(api, { caller: requireCaller(caller), slug, id });
      },
      { params: model.Params, response: { 200: model.Code }, detail: { summary: "What to show at the door" } },
    )
    .post(
      "/events/:slug/registrations/:id/:action",
      ({ params, body, caller }) => service.changeState(api, { caller: requireCaller(caller), ...params, ...body }),
      {
        params: model.Actions,
        body: model.Note,
        response: { 200: model.FullRegistration },
        detail: {
          summary: "Cancel or confirm, as the person; approve, decline, check in, mark absent or undo, as an organizer",
        },
      },
    )
    .post(
      "/events/:slug/draw",
      ({ params: { slug }, body, caller }) => service.draw(api, { caller: requireCaller(caller), slug, ...body }),
      {
        params: model.EventParams,
        body: model.Draw,
        response: { 200: model.Drawn },
        detail: { summary: "Draw lots among those who asked" },
      },
    )
    .post(
      "/events/:slug/check-ins",
      ({ params: { slug }, body, caller }) => checkInByCode(api, { caller: requireCaller(caller), slug, ...body }),
      {
        params: model.EventParams,
        body: model.CheckIn,
        response: { 200: model.FullRegistration },
        detail: { summary: "Check in whoever shows a code" },
      },
    )
    .post("/events/:slug/joins", ({ params: { slug }, body }) => checkInByServer(api, { slug, ...body }), {
      params: model.EventParams,
      body: model.Join,
      response: { 200: model.Joined },
      detail: { summary: "A game server tells that a player has joined", security: [] },
    })
    .post(
      "/events/:slug/servers",
      async ({ params: { slug }, body, caller }) =>
        toResponse({ status: 201, body: await addServer(api, { caller: requireCaller(caller), slug, ...body }) }),
      {
        params: model.EventParams,
        body: model.NewServer,
        detail: { summary: "A token for a game server", responses: describe({ 201: model.MadeServer }) },
      },
    )
    .get(
      "/events/:slug/servers",
      ({ params: { slug }, caller }) => listServers(api, { caller: requireCaller(caller), slug }),
      {
        params: model.EventParams,
        response: { 200: model.Servers },
        detail: { summary: "Game servers that may check in" },
      },
    )
    .delete(
      "/events/:slug/servers/:id",
      async ({ params: { slug, id }, caller, status }) => {
        await removeServer(api, { caller: requireCaller(caller), slug, id });
        return status(204, undefined);
      },
      { params: model.Params, detail: { summary: "End a game server's token" } },
    )
    .post("/registrations/confirm", ({ body }) => service.confirmByLink(api, body.token), {
      body: model.Confirmation,
      response: { 200: model.Confirmed },
      detail: { summary: "Take the seat that a mailed link offers", security: [] },
    })
    .get(
      "/me/registrations",
      async ({ query, caller, request, set }) => {
        const page = await service.searchOwn(api, { caller: requireCaller(caller), ...query });
        Object.assign(set.headers, linkNext(request, page.nextCursor), kept);
        return page;
      },
      {
        query: model.OwnQuery,
        response: { 200: model.Registrations },
        detail: { summary: "The caller's registrations" },
      },
    );
}

/** Text as a stream that makes the next piece only when the reader has taken the one before. */
function toStream(texts: AsyncGenerator<string>): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  return new ReadableStream({
    pull: async (controller) => {
      const { value, done } = await texts.next();
      if (done) controller.close();
      else controller.enqueue(encoder.encode(value));
    },
    cancel: async () => void (await texts.return(undefined)),
  });
}
