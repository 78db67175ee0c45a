import { Type as t } from "@sinclair/typebox";
import { defineCommand, usageFault } from "../arguments.ts";
import { readAnswer } from "../client.ts";
import { formatTable } from "../output.ts";
import { packMessages } from "./messages.ts";
import { readPages } from "./read-pages.ts";

const MaybeText = t.Union([t.String(), t.Null()]);
const MadeLink = t.Object({ id: t.String(), token: t.String(), url: t.String() });
const Link = t.Object({
  id: t.String(),
  name: t.String(),
  channel: MaybeText,
  expiresAt: MaybeText,
  revokedAt: MaybeText,
  usedAt: MaybeText,
  uses: t.Number(),
});

const maxDays = 3650;
const dayMs = 24 * 60 * 60_000;
const pathOf = (slug: string) => `/v1/packs/${encodeURIComponent(slug)}/links`;

const usage = "pack link create PACK [--name TEXT] [--channel CHANNEL] [--days N]";

const create = defineCommand({
  name: "pack link create",
  usage,
  summary: "Make a link by which whoever has it installs a pack and keeps it up to date",
  options: { name: { type: "string" }, channel: { type: "string" }, days: { type: "string" } },
  positionals: ["PACK"],
  async run({ values: { name, channel, days }, positionals: [slug], output, signal, client: open }) {
    const lifetimeDays = days === undefined ? undefined : Number(days);
    if (lifetimeDays !== undefined && !(lifetimeDays > 0 && lifetimeDays <= maxDays))
      throw usageFault(`Make a link: --days is more than 0 and at most ${maxDays}, not "${days}"`, usage);
    const client = await open();
    const body = {
      ...(name !== undefined && { name }),
      ...(channel !== undefined && { channel }),
      ...(lifetimeDays !== undefined && { expiresAt: new Date(Date.now() + lifetimeDays * dayMs).toISOString() }),
    };
    const made = readAnswer(MadeLink, (await client.request("POST", pathOf(slug), { body, signal })).json);
    output.say(packMessages(output.language).linkMade);
    if (!output.json) output.say(made.url);
    output.result({ ok: true, pack: slug, ...made });
  },
});

const list = defineCommand({
  name: "pack link list",
  usage: "pack link list PACK",
  summary: "List the links to a pack: for whom, when last used, how often",
  options: {},
  positionals: ["PACK"],
  async run({ positionals: [slug], output, signal, client: open }) {
    const items = await readPages(await open(), { path: pathOf(slug), item: Link, signal });
    const rows = items.map(({ id, name, channel, expiresAt, revokedAt, usedAt, uses }) => [
      id,
      name,
      channel ?? "",
      revokedAt ? "revoked" : (expiresAt ?? ""),
      usedAt ?? "",
      String(uses),
    ]);
    const head = ["ID", "NAME", "CHANNEL", "EXPIRES", "LAST USED", "USES"];
    output.say(rows.length === 0 ? packMessages(output.language).noLinks : formatTable(head, rows));
    output.result({ ok: true, pack: slug, items });
  },
});

const revoke = defineCommand({
  name: "pack link revoke",
  usage: "pack link revoke PACK ID",
  summary: "Revoke a link: every address beneath it ends within a second",
  options: {},
  positionals: ["PACK", "ID"],
  async run({ positionals: [slug, id], output, signal, client: open }) {
    const client = await open();
    await client.request("DELETE", `${pathOf(slug)}/${encodeURIComponent(id)}`, { signal });
    output.say(packMessages(output.language).linkRevoked(slug));
    output.result({ ok: true, pack: slug, id, revoked: true });
  },
});

/** The commands of share links. */
export const commands = [create, list, revoke];
