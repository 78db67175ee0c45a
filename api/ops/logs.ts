import { Elysia, t } from "elysia";
import { logLevels } from "../../log.ts";
import { logsFolder } from "../../log-files.ts";
import type { Api } from "../api.ts";
import { callers, requireRole } from "../caller.ts";
import { linkNext, readCursor, writeCursor } from "../pages.ts";
import { type FoundLine, searchLogs, type Wanted } from "./log-search.ts";

const Query = t.Object({
  trace: t.Optional(t.String({ pattern: "^[0-9a-f]{32}$", description: "traceId of an answer, a problem or a job" })),
  level: t.Optional(
    t.Union(
      (["debug", "info", "warn", "error"] as const).map((level) => t.Literal(level)),
      { description: "This level and above" },
    ),
  ),
  service: t.Optional(t.String({ pattern: "^[a-z][a-z0-9-]{0,40}$" })),
  from: t.Optional(t.String({ format: "date-time" })),
  to: t.Optional(t.String({ format: "date-time" })),
  query: t.Optional(t.String({ minLength: 1, maxLength: 200, description: "A text that the line holds" })),
  limit: t.Optional(t.Integer({ minimum: 1, maximum: 1_000, default: 100 })),
  cursor: t.Optional(t.String({ maxLength: 3_000 })),
});
const Line = t.Object(
  {
    id: t.String(),
    time: t.String(),
    level: t.String(),
    service: t.String(),
    traceId: t.Optional(t.String()),
    msg: t.Optional(t.String()),
  },
  { additionalProperties: true },
);
const Page = t.Object({
  items: t.Array(Line),
  nextCursor: t.Union([t.String(), t.Null()]),
  complete: t.Boolean({ description: "Whether all files were looked at; the search takes 5 s at most" }),
  missing: t.Array(t.Literal("stream"), { description: "What did not answer: lines of the last seconds may be there" }),
});
const Cursor = t.Tuple([t.String(), t.String()]);

/** The collected log of all processes, for operators. */
export function logs(api: Api) {
  return new Elysia({ prefix: "/v1/ops", tags: ["ops"] }).use(callers(api)).get(
    "/logs",
    async ({ caller, query, request, set }) => {
      requireRole(caller, "admin", "ops");
      const [time, id] = readCursor(query.cursor, Cursor) ?? [];
      const { lines, complete, missing } = await searchLogLines(api, {
        ...query,
        level: logLevels[query.level ?? "debug"],
        from: readMoment(query.from),
        to: readMoment(query.to),
        after: time !== undefined && id !== undefined ? { time, id } : undefined,
        limit: query.limit ?? 100,
      });
      const items = lines.slice(0, query.limit ?? 100);
      const last = items.at(-1);
      const nextCursor = lines.length > items.length && last ? writeCursor([last.time, last.id]) : null;
      Object.assign(set.headers, linkNext(request, nextCursor));
      return { items: items.map(describeLine), nextCursor, complete, missing };
    },
    {
      query: Query,
      response: { 200: Page },
      detail: { summary: "Lines of the log of all processes, the newest first" },
    },
  );
}

/** Looks in this server's collected logs. */
export function searchLogLines({ config, logs }: Pick<Api, "config" | "logs">, wanted: Wanted) {
  return searchLogs({ stream: logs, folder: logsFolder(config) }, wanted);
}

/** Lines hold moments in UTC: others are told in it, so that they can be compared as texts. */
function readMoment(text: string | undefined): string | undefined {
  return text === undefined ? undefined : new Date(text).toISOString();
}

/** A line as people read it: its level by name. */
export function describeLine({ line, id, time, level }: FoundLine): typeof Line.static {
  const { pid: _pid, service, ...rest } = line;
  const name = Object.entries(logLevels).find(([, number]) => number >= level)?.[0] ?? "error";
  return { ...rest, id, time, level: name, service: typeof service === "string" ? service : "other" };
}
