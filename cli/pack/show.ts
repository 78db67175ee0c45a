import { Type as t } from "@sinclair/typebox";
import { defineCommand } from "../arguments.ts";
import { readAnswer } from "../client.ts";
import { formatBytes, formatTable } from "../output.ts";
import { Pack, Version } from "../publish/answers.ts";
import { readPages } from "./read-pages.ts";

const DiffEntry = t.Object({ path: t.String(), from: t.Optional(t.Unknown()) });
const Diff = t.Object({
  added: t.Array(DiffEntry),
  changed: t.Array(DiffEntry),
  removed: t.Array(DiffEntry),
  moved: t.Optional(t.Array(t.Unknown())),
  bytesToFetch: t.Number(),
});
const Move = t.Object({ from: t.String(), to: t.String() });

const list = defineCommand({
  name: "pack list",
  usage: "pack list [--query WORDS]",
  summary: "List the packs that you may see",
  options: { query: { type: "string" } },
  positionals: [],
  async run({ values, output, signal, client: open }) {
    const client = await open();
    const items = await readPages(client, { path: "/v1/packs", item: Pack, query: { query: values.query }, signal });
    const rows = items.map((pack) => [pack.slug, pack.name, pack.visibility, pack.summary ?? ""]);
    output.say(rows.length === 0 ? output.text.noPacks : formatTable(["SLUG", "NAME", "VISIBILITY", "SUMMARY"], rows));
    output.result({ ok: true, items });
  },
});

const show = defineCommand({
  name: "pack show",
  usage: "pack show PACK",
  summary: "Show a pack and its versions",
  options: {},
  positionals: ["PACK"],
  async run({ positionals: [slug], output, signal, client: open }) {
    const client = await open();
    const path = `/v1/packs/${encodeURIComponent(slug)}`;
    const pack = readAnswer(Pack, (await client.request("GET", path, { signal })).json);
    const versions = await readPages(client, { path: `${path}/versions`, item: Version, query: {}, signal });
    output.say(`${pack.name} (${pack.slug}, ${pack.visibility})${pack.summary ? `\n${pack.summary}` : ""}\n`);
    const rows = versions.map((version) => [
      version.version,
      version.channel,
      version.minecraft ?? "",
      version.loader ? `${version.loader.name} ${version.loader.version}` : "",
      version.yankedAt ? "yanked" : (version.state ?? ""),
      version.publishedAt ?? "",
    ]);
    const head = ["VERSION", "CHANNEL", "MINECRAFT", "LOADER", "STATE", "PUBLISHED"];
    output.say(rows.length === 0 ? output.text.noVersions : formatTable(head, rows));
    output.result({ ok: true, pack, versions });
  },
});

const diff = defineCommand({
  name: "pack diff",
  usage: "pack diff PACK A B",
  summary: "Show what changes from version A to version B",
  options: {},
  positionals: ["PACK", "A", "B"],
  async run({ positionals: [slug, from, to], output, signal, client: open }) {
    const client = await open();
    const path = `/v1/packs/${[slug, "diff", from, to].map(encodeURIComponent).join("/")}`;
    const found = readAnswer(Diff, (await client.request("GET", path, { signal })).json);
    const moves = (found.moved ?? []).map((move) => readAnswer(Move, move));
    const lines = [
      ...found.added.map((file) => `+ ${file.path}`),
      ...found.changed.map((file) => `~ ${file.path}`),
      ...found.removed.map((file) => `- ${file.path}`),
      ...moves.map((move) => `> ${move.from} -> ${move.to}`),
    ];
    output.say(lines.length === 0 ? output.text.same : lines.join("\n"));
    output.say(output.text.bytesToFetch(formatBytes(found.bytesToFetch)));
    output.result({ ok: true, pack: slug, from, to, ...found });
  },
});

const yank = defineCommand({
  name: "pack yank",
  usage: "pack yank PACK VERSION",
  summary: "Take a version out of latest; those pinned to it keep it",
  options: {},
  positionals: ["PACK", "VERSION"],
  async run({ positionals: [slug, version], output, signal, client: open }) {
    const client = await open();
    const path = `/v1/packs/${[slug, "versions", version].map(encodeURIComponent).join("/")}/yank`;
    await client.request("POST", path, { signal, idempotencyKey: crypto.randomUUID() });
    output.say(output.text.yanked(slug, version));
    output.result({ ok: true, pack: slug, version, yanked: true });
  },
});

/** The commands that look at packs, and `pack yank`. */
export const commands = [list, show, diff, yank];
