import { Type as t } from "@sinclair/typebox";
import { defineCommand } from "../arguments.ts";
import { readAnswer } from "../client.ts";
import { opsMessages } from "../ops/messages.ts";
import { formatBytes, formatTable } from "../output.ts";
import { JobAnswer } from "../publish/answers.ts";
import { waitForJob } from "../publish/wait.ts";

const State = t.Object({
  blobs: t.Integer(),
  bytes: t.Integer(),
  broken: t.Integer(),
  verifiedAt: t.Union([t.String(), t.Null()]),
  items: t.Array(
    t.Object({ sha256: t.String(), size: t.Integer(), reason: t.String(), versions: t.Array(t.String()) }),
  ),
});

/** `sunduk storage verify`: for operators, over HTTP. Exit code 1 when something is broken. */
export const command = defineCommand({
  name: "storage verify",
  usage: "storage verify [--full]",
  summary: "Look whether all stored objects are there, and read those whose turn it is, or all of them",
  options: { full: { type: "boolean" } },
  positionals: [],
  async run({ values, output, signal, client: open }) {
    const text = opsMessages(output.language);
    const client = await open();
    const path = "/v1/ops/storage/verification";
    const body = { full: values.full ?? false };
    const { job } = readAnswer(JobAnswer, (await client.request("POST", path, { body, signal })).json);
    await waitForJob(client, { id: job.id, label: text.verifying, output, signal });
    const state = readAnswer(State, (await client.request("GET", path, { signal })).json);
    output.say(text.verified(state.blobs, formatBytes(state.bytes), state.broken));
    const rows = state.items.map(({ sha256, size, reason, versions }) => [
      sha256.slice(0, 16),
      formatBytes(size),
      reason,
      versions.join(", "),
    ]);
    if (rows.length > 0) output.say(formatTable(["SHA-256", "SIZE", "WHAT", "VERSIONS"], rows));
    output.result({ ok: state.broken === 0, ...state });
    return state.broken === 0 ? 0 : 1;
  },
});
