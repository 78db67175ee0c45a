import { type Static, Type as t } from "@sinclair/typebox";
import { defineCommand, usageFault } from "../arguments.ts";
import { type Client, readAnswer } from "../client.ts";
import { formatTable } from "../output.ts";
import { opsMessages } from "./messages.ts";

const Failed = t.Object({
  id: t.String(),
  actor: t.String(),
  subject: t.String(),
  attempts: t.Integer(),
  problem: t.Union([t.Object({ detail: t.Optional(t.String()) }), t.Null()]),
  failedAt: t.String(),
});
const FailedPage = t.Object({ items: t.Array(Failed), nextCursor: t.Union([t.String(), t.Null()]) });
const Retried = t.Object({ retried: t.Integer(), more: t.Boolean() });
const Paused = t.Object({ name: t.String(), paused: t.Boolean() });

const shownAtMost = 1_000;
const retryUsage = "jobs retry ID|--all [--actor ACTOR]";

const failed = defineCommand({
  name: "jobs failed",
  usage: "jobs failed [--actor ACTOR]",
  summary: "List the jobs that have failed",
  options: { actor: { type: "string" } },
  positionals: [],
  async run({ values, output, signal, client: open }) {
    const items = await listFailed(await open(), { actor: values.actor, signal });
    const rows = items.map((job) => [job.id, job.actor, job.failedAt, String(job.attempts), reasonOf(job)]);
    const text = opsMessages(output.language);
    output.say(rows.length === 0 ? text.noneFailed : formatTable(["ID", "ACTOR", "FAILED", "TRIES", "WHY"], rows));
    output.result({ ok: true, items });
  },
});

const retry = defineCommand({
  name: "jobs retry",
  usage: retryUsage,
  summary: "Do a failed job once more, or all of them",
  options: { all: { type: "boolean" }, actor: { type: "string" } },
  positionals: ["ID?"],
  async run({ values, positionals: [id], output, signal, client: open }) {
    const all = values.all === true || values.actor !== undefined;
    if (all === (id !== undefined)) throw usageFault("Retry jobs: name one by its ID, or say --all", retryUsage);
    const client = await open();
    if (id !== undefined) await client.request("POST", `/v1/ops/jobs/${encodeURIComponent(id)}/retry`, { signal });
    const retried = id === undefined ? await retryAll(client, { actor: values.actor, signal }) : 1;
    output.say(opsMessages(output.language).retried(retried));
    output.result({ ok: true, retried });
  },
});

const pause = setPaused("pause", "Let no pod begin anything of an actor; what runs goes on");
const resume = setPaused("resume", "Let a paused actor go on");

/** `sunduk jobs …`: for operators, over HTTP. */
export const commands = [failed, retry, pause, resume];

function setPaused(verb: "pause" | "resume", summary: string) {
  return defineCommand({
    name: `jobs ${verb}`,
    usage: `jobs ${verb} ACTOR`,
    summary,
    options: {},
    positionals: ["ACTOR"],
    async run({ positionals: [actor], output, signal, client: open }) {
      const client = await open();
      const { json } = await client.request("POST", `/v1/ops/actors/${encodeURIComponent(actor)}/${verb}`, { signal });
      const { name, paused } = readAnswer(Paused, json);
      const text = opsMessages(output.language);
      output.say(paused ? text.paused(name) : text.resumed(name));
      output.result({ ok: true, actor: name, paused });
    },
  });
}

type Asked = { actor: string | undefined; signal: AbortSignal };

async function listFailed(client: Client, { actor, signal }: Asked): Promise<Static<typeof Failed>[]> {
  const items: Static<typeof Failed>[] = [];
  let cursor: string | undefined;
  do {
    const query = { limit: 100, actor, cursor };
    const page = readAnswer(FailedPage, (await client.request("GET", "/v1/ops/jobs", { query, signal })).json);
    items.push(...page.items);
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined && items.length < shownAtMost);
  return items;
}

async function retryAll(client: Client, { actor, signal }: Asked): Promise<number> {
  let total = 0;
  for (;;) {
    const body = actor === undefined ? {} : { actor };
    const { json } = await client.request("POST", "/v1/ops/jobs/retry", { body, signal });
    const { retried, more } = readAnswer(Retried, json);
    total += retried;
    if (!more) return total;
  }
}

/** On one line, and not longer than a terminal shows. */
function reasonOf({ problem }: Static<typeof Failed>): string {
  return (problem?.detail ?? "").replaceAll(/\s+/g, " ").slice(0, 100);
}
