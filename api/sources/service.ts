import { findOrganization } from "../../db/organization.ts";
import { isDuplicate } from "../../db/query.ts";
import { deleteSource, findSource, insertSource, listSources, type SourceRow, updateSource } from "../../db/source.ts";
import { Fault } from "../../fault.ts";
import { isTimeZone } from "../../local-time.ts";
import { want } from "../../queues/mailbox.ts";
import { syncFeed } from "../../queues/sync-feed.ts";
import type { Api } from "../api.ts";
import { toReader } from "../caller.ts";
import type { Caller } from "../tokens.ts";
import type { NewSource, Source, SourceChange } from "./model.ts";

const most = 20;
type Asked = { caller: Caller; slug: string };

/** Subscribes an organization to a feed; it is fetched within a minute. 409 for an address that it has already. */
export async function addSource(api: Pick<Api, "db">, { caller, slug, ...given }: Asked & NewSource): Promise<Source> {
  const organizationId = await requireManager(api, { caller, slug });
  const { format = given.url.endsWith(".json") ? "json" : "ics", name = "", timeZone = "UTC" } = given;
  if (!isTimeZone(timeZone))
    throw new Fault("invalid", `There is no time zone "${timeZone}"`, {
      errors: [{ pointer: "/timeZone", detail: "is not known" }],
    });
  const url = readUrl(given.url);
  const id = Bun.randomUUIDv7();
  try {
    const inserted = await insertSource(api.db, {
      id,
      organizationId,
      url,
      format,
      name: name || new URL(url).hostname,
      timeZone,
      everySeconds: given.everySeconds ?? 3600,
      visibility: given.visibility ?? "unlisted",
      enabled: given.enabled ?? true,
      createdBy: caller.userId,
      most,
    });
    if (inserted === 0)
      throw new Fault("conflict", `Cannot subscribe: an organization has at most ${most} sources. Remove one first`);
  } catch (error) {
    if (isDuplicate(error))
      throw new Fault("conflict", "Cannot subscribe: there is a source with this address", { cause: error });
    throw error;
  }
  return describe(await requireSource(api, { id, organizationId }));
}

function readUrl(text: string): string {
  const url = URL.parse(text.replace(/^webcal:/i, "https:"));
  if (!url || url.username || url.password)
    throw new Fault("invalid", "Cannot subscribe: this is no address, or it holds a password", {
      errors: [{ pointer: "/url", detail: "is an http or https address" }],
    });
  return url.href;
}

export async function searchSources(api: Pick<Api, "db">, asked: Asked): Promise<{ items: Source[] }> {
  return { items: (await listSources(api.db, await requireManager(api, asked))).map(describe) };
}

export async function getSource(api: Pick<Api, "db">, { id, ...asked }: Asked & { id: string }): Promise<Source> {
  return describe(await requireSource(api, { id, organizationId: await requireManager(api, asked) }));
}

/** Changes a source; it is fetched again soon. */
export async function changeSource(
  api: Pick<Api, "db">,
  { id, change, ...asked }: Asked & { id: string; change: SourceChange },
): Promise<Source> {
  const organizationId = await requireManager(api, asked);
  await requireSource(api, { id, organizationId });
  const { name, everySeconds, visibility, enabled } = change;
  await updateSource(api.db, { id, name, everySeconds, visibility, enabled });
  return describe(await requireSource(api, { id, organizationId }));
}

/** Ends a subscription. Its events stay, as the organization's own. */
export async function removeSource(api: Pick<Api, "db">, { id, ...asked }: Asked & { id: string }): Promise<void> {
  await requireSource(api, { id, organizationId: await requireManager(api, asked) });
  await deleteSource(api.db, id);
}

/** Asks for a sync now, or for what one would do: the job's result tells. Each makes this server fetch from others: so many a minute. */
export async function startSync(
  api: Pick<Api, "db" | "mailbox" | "rateLimits" | "config">,
  { id, dryRun, ...asked }: Asked & { id: string; dryRun: boolean },
  headers: Record<string, string | number>,
): Promise<{ job: { id: string; url: string } }> {
  const organizationId = await requireManager(api, asked);
  const source = await requireSource(api, { id, organizationId });
  if (!source.enabled && !dryRun) throw new Fault("conflict", "Cannot sync: the source is paused. Enable it first");
  await api.rateLimits.take(
    [{ name: "syncs", perMinute: api.config.LIMIT_SYNCS_PER_MINUTE, key: organizationId }],
    headers,
  );
  const { userId } = asked.caller;
  const payload = { sourceId: id, dryRun, askedBy: userId };
  const message = await api.db.transaction((tx) => want(tx, syncFeed, { payload, ownerId: userId }));
  await api.mailbox.send(syncFeed.name, message);
  return { job: { id: message.jobId, url: `/v1/jobs/${message.jobId}` } };
}

async function requireManager({ db }: Pick<Api, "db">, { caller, slug }: Asked): Promise<string> {
  const found = await findOrganization(db, { slug, reader: toReader(caller) });
  if (!found) throw new Fault("not-found", `There is no organization "${slug}" that you may see`);
  if (found.role !== "owner" && found.role !== "manager")
    throw new Fault("not-allowed", `Not allowed: sources are for those who manage "${slug}"`);
  return found.id;
}

async function requireSource(
  { db }: Pick<Api, "db">,
  { id, organizationId }: { id: string; organizationId: string },
): Promise<SourceRow> {
  const found = await findSource(db, id);
  if (found?.organizationId !== organizationId)
    throw new Fault("not-found", "There is no such source of this organization");
  return found;
}

function describe(row: SourceRow): Source {
  const { id, url, format, name, timeZone, everySeconds, visibility, enabled, events, failures, problem, report } = row;
  const fetchedAt = row.fetchedAt?.toISOString() ?? null;
  return {
    id,
    url,
    format,
    name,
    timeZone,
    everySeconds,
    visibility,
    enabled,
    events,
    fetchedAt,
    failures,
    problem,
    report,
  };
}
