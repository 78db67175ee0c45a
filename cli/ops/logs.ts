import { Type as t } from "@sinclair/typebox";
import { Fault } from "../../fault.ts";
import { defineCommand } from "../arguments.ts";
import { waitFor } from "../call.ts";
import { readAnswer } from "../client.ts";
import { opsMessages } from "./messages.ts";

const Line = t.Object({
  id: t.String(),
  time: t.String(),
  level: t.String(),
  service: t.String(),
  traceId: t.Optional(t.String()),
  msg: t.Optional(t.String()),
});
const Page = t.Object({ items: t.Array(Line), complete: t.Boolean(), missing: t.Array(t.String()) });
type Line = typeof Line.static;

const followEveryMs = 1_000;
/** Processes send their lines once a second, so a line may come after later ones: so far back is looked again. */
const overlapMs = 10_000;

/** `sunduk logs`: the collected log of all processes, over HTTP, for operators; the oldest of what is shown first. */
export const command = defineCommand({
  name: "logs",
  usage:
    "logs [--trace ID] [--level LEVEL] [--service NAME] [--from TIME] [--to TIME] [--query TEXT] [--limit N] [--follow]",
  summary: "Show the log of all processes; what belongs to one request with --trace",
  options: {
    trace: { type: "string" },
    level: { type: "string" },
    service: { type: "string" },
    from: { type: "string" },
    to: { type: "string" },
    query: { type: "string" },
    limit: { type: "string", default: "100" },
    follow: { type: "boolean", short: "f" },
  },
  positionals: [],
  async run({ values: { follow, from, limit, json, ...filters }, output, signal, client }) {
    const { server: _server, help: _help, ...asked } = filters;
    const server = await client();
    const read = async (query: { from?: string | undefined; limit?: string }) => {
      const { json: answer } = await server.request("GET", "/v1/ops/logs", { query: { ...asked, ...query }, signal });
      return readAnswer(Page, answer);
    };
    const page = await read({ from, limit });
    if (json && !follow) return void output.result({ ok: true, ...page, items: page.items.toReversed() });
    const show = (line: Line) => (json ? output.result(line) : output.say(formatLine(line)));
    page.items.toReversed().forEach(show);
    if (!page.complete || page.missing.length > 0) output.say(opsMessages(output.language).logsIncomplete);
    let seen = new Set(page.items.map(({ id }) => id));
    let last = page.items[0]?.time ?? new Date().toISOString();
    while (follow && !signal.aborted) {
      await waitFor(followEveryMs, signal);
      const since = new Date(Date.parse(last) - overlapMs).toISOString();
      const next = await read({ from: since, limit: "1000" }).catch(wait);
      if (!next) continue;
      next.items
        .filter(({ id }) => !seen.has(id))
        .toReversed()
        .forEach(show);
      if (next.items.length > 0) seen = new Set(next.items.map(({ id }) => id));
      last = next.items[0]?.time ?? last;
    }
  },
});

/** A server that is being started anew is waited for. */
function wait(error: unknown): undefined {
  if (error instanceof Fault && (error.status === 503 || error.extra.unreached === true)) return undefined;
  throw error;
}

function formatLine({ id: _id, time, level, service, msg = "", ...rest }: Line): string {
  const facts = Object.entries(rest).map(
    ([name, value]) => `${name}=${typeof value === "string" ? value : JSON.stringify(value)}`,
  );
  // What somebody else wrote must not move the cursor of a terminal.
  return `${time} ${level.padEnd(5)} ${service} ${msg} ${facts.join(" ")}`.replace(/\p{Cc}/gu, " ");
}
