import { Elysia } from "elysia";
import type { Api } from "../api.ts";
import { callers } from "../caller.ts";
import { writeLine } from "../csv.ts";
import { describe } from "../describe.ts";
import { takeEvents } from "./events.ts";
import { openKnownVersions } from "./known-versions.ts";
import {
  type By,
  CountAnswer,
  CountQuery,
  isDimension,
  NewEvents,
  Outcomes,
  Report,
  ReportParams,
  ReportQuery,
} from "./model.ts";
import { count } from "./query.ts";
import { report } from "./report.ts";
import { schedules } from "./schedules.ts";

const closed = { "cache-control": "private, no-store" };

/** Analytics: what launchers tell, and what owners read. */
export function analytics(api: Api) {
  const versions = openKnownVersions(api.db);
  const numbers = new Elysia({ prefix: "/v1/analytics", tags: ["analytics"] })
    .use(callers(api))
    .post(
      "/events",
      async ({ body, caller, request, server, set }) => {
        const address = api.addressOf(request, server?.requestIP(request)?.address);
        const perMinute = api.config.LIMIT_ANALYTICS_PER_MINUTE;
        const key = caller?.userId ?? address;
        await api.rateLimits.take([{ name: "analytics", perMinute, key, alone: true }], set.headers);
        const results = await takeEvents({ ...api, versions }, { ...body, caller, request, address });
        return { results: results.map((status) => ({ status })) };
      },
      {
        body: NewEvents,
        response: { 200: Outcomes },
        detail: { summary: "What a launcher tells: installs, updates, launches. Answered when it is committed" },
      },
    )
    .get(
      "/query",
      async ({ query: { output, by, version, format, launcher, channel, source, ...asked }, caller }) => {
        const filters = { version, format, launcher, channel, source };
        const given = Object.fromEntries(Object.entries(filters).filter(([, value]) => value !== undefined));
        const dimensions = [...new Set(by?.split(","))].filter(isDimension);
        const answer = await count(api.db, { ...asked, by: dimensions, filters: given, caller });
        return output === "csv"
          ? answerCsv(writeCounts(answer, dimensions), "counts")
          : Response.json(answer, { headers: closed });
      },
      {
        query: CountQuery,
        detail: {
          summary: "How often something happened, for those who run a thing and for operators",
          responses: describe({ 200: CountAnswer }),
        },
      },
    )
    .get(
      "/reports/:report",
      async ({ params, query: { output, ...asked }, caller }) => {
        const answer = await report(api.db, { ...asked, ...params, caller });
        const csv = () =>
          [answer.columns, ...answer.rows.map((row) => row.map((cell) => cell ?? ""))].map(writeLine).join("");
        return output === "csv" ? answerCsv(csv(), params.report) : Response.json(answer, { headers: closed });
      },
      {
        params: ReportParams,
        query: ReportQuery,
        detail: { summary: "A ready report, by days", responses: describe({ 200: Report }) },
      },
    );
  return new Elysia().use(schedules(api)).use(numbers);
}

function writeCounts({ groups, previous }: CountAnswer, by: By[]): string {
  const lines = (counted: CountAnswer["groups"]) =>
    counted.flatMap((group) =>
      group.series.map(({ start, count }) => [start, ...by.map((name) => group.by[name] ?? "(other)"), count]),
    );
  return [["start", ...by, "count"], ...lines(previous?.groups ?? []), ...lines(groups)].map(writeLine).join("");
}

function answerCsv(text: string, name: string): Response {
  return new Response(text, {
    headers: {
      ...closed,
      "content-type": "text/csv; charset=utf-8; header=present",
      "content-disposition": `attachment; filename="${name}.csv"`,
    },
  });
}
