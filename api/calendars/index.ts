import { Elysia, t } from "elysia";
import { writeCalendar } from "../../calendar.ts";
import { type CalendarRow, describeEntry } from "../../calendar-entry.ts";
import {
  deleteCalendar,
  findCalendar,
  findCalendarEvent,
  listCalendarEvents,
  listCalendarRegistrations,
  replaceCalendar,
  useCalendar,
} from "../../db/calendar.ts";
import { findOrganization } from "../../db/organization.ts";
import { hashToken } from "../../digest.ts";
import { Fault } from "../../fault.ts";
import { makeSecret } from "../../keys.ts";
import type { Api } from "../api.ts";
import { callers, requireCaller, toReader } from "../caller.ts";
import { describe } from "../describe.ts";
import { isUnchanged } from "../etag.ts";
import { pickLanguage } from "../html-page.ts";
import { toResponse } from "../idempotency.ts";

const most = 500;
const tokenLength = 43;
const slug = t.Object({ slug: t.String({ maxLength: 100 }) });
const query = t.Object({ language: t.Optional(t.Union([t.Literal("ru"), t.Literal("en")])) });
const Made = t.Object({ url: t.String({ description: "Shown once: whoever has it reads this calendar" }) });
const Known = t.Object({ createdAt: t.String(), usedAt: t.Union([t.String(), t.Null()]) });
const inCalendars = (summary: string) => ({
  summary,
  responses: { 200: { description: "text/calendar (RFC 5545)" }, 304: { description: "Unchanged" } },
});

/** Events as calendars (RFC 5545): of one, of an organization, and of a person at a secret address. */
export function calendars(api: Api) {
  return new Elysia({ tags: ["calendars"] })
    .get(
      "/calendars/:file",
      async ({ params: { file }, query: { language }, request }) => {
        const token = file.endsWith(".ics") ? file.slice(0, -4) : "";
        const found = token.length === tokenLength ? await useCalendar(api.db, hashToken(token)) : undefined;
        if (!found) throw new Fault("not-found", "There is no such calendar: its address was replaced or ended");
        const rows = await listCalendarRegistrations(api.db, {
          userId: found.userId,
          occurrenceId: null,
          eventId: null,
          limit: most,
        });
        return answer(rows, {
          request,
          language: language ?? found.locale,
          name: "Sunduk",
          cache: "private, no-cache",
        });
      },
      {
        params: t.Object({ file: t.String({ maxLength: 100 }) }),
        query,
        detail: { ...inCalendars("What somebody takes part in, for whoever has its secret address"), security: [] },
      },
    )
    .use(callers(api))
    .get(
      "/v1/events/:slug/calendar.ics",
      async ({ params, query: { language }, caller, request }) => {
        const row = await findCalendarEvent(api.db, { slug: params.slug, reader: toReader(caller) });
        if (!row) throw new Fault("not-found", "There is no such event that you may see");
        return answer([row], {
          request,
          language: language ?? pickLanguage(request),
          name: "",
          cache: "private, no-cache",
        });
      },
      { params: slug, query, detail: inCalendars("An event for calendars") },
    )
    .get(
      "/v1/organizations/:slug/calendar.ics",
      async ({ params, query: { language }, request }) => {
        const organization = await findOrganization(api.db, { slug: params.slug, reader: toReader(null) });
        if (!organization) throw new Fault("not-found", "There is no such organization that anybody may see");
        const rows = await listCalendarEvents(api.db, { organization: params.slug, limit: most });
        return answer(rows, {
          request,
          language: language ?? pickLanguage(request),
          name: organization.name,
          cache: "public, max-age=300",
        });
      },
      {
        params: slug,
        query,
        detail: { ...inCalendars("An organization's public events for calendars"), security: [] },
      },
    )
    .post(
      "/v1/me/calendar",
      async ({ caller }) => {
        const { userId } = requireCaller(caller);
        const token = makeSecret();
        await replaceCalendar(api.db, { userId, tokenHash: hashToken(token) });
        return toResponse({ status: 201, body: { url: `${api.publicUrl()}/calendars/${token}.ics` } });
      },
      {
        detail: {
          summary: "A secret address of the caller's calendar; the one before ends",
          responses: describe({ 201: Made }),
        },
      },
    )
    .get(
      "/v1/me/calendar",
      async ({ caller }) => {
        const found = await findCalendar(api.db, requireCaller(caller).userId);
        if (!found) throw new Fault("not-found", "Your calendar has no address: POST here to make one");
        return { createdAt: found.createdAt.toISOString(), usedAt: found.usedAt?.toISOString() ?? null };
      },
      {
        response: { 200: Known },
        detail: { summary: "Whether the caller's calendar has an address, and its last use" },
      },
    )
    .delete(
      "/v1/me/calendar",
      async ({ caller, status }) => {
        await deleteCalendar(api.db, requireCaller(caller).userId);
        return status(204, undefined);
      },
      { detail: { summary: "End the address of the caller's calendar" } },
    );

  type Asked = { request: Request; language: string; name: string; cache: string };
  function answer(rows: CalendarRow[], { request, language, name, cache }: Asked): Response {
    const entries = rows.map((row) => describeEntry(row, { language, base: api.publicUrl() }));
    const text = writeCalendar({ name, entries });
    const headers = {
      etag: `"${new Bun.CryptoHasher("sha256").update(text).digest("base64url").slice(0, 22)}"`,
      "cache-control": cache,
      vary: "Accept-Language",
    };
    if (isUnchanged(request, headers.etag)) return new Response(null, { status: 304, headers });
    return new Response(text, { headers: { ...headers, "content-type": "text/calendar; charset=utf-8" } });
  }
}
