import { failSource, findSource, listSourcedEvents, type SourceRow, settleSource } from "../db/source.ts";
import type { Deps } from "../deps.ts";
import { Fault } from "../fault.ts";
import { type Feed, readJsonFeed } from "../feed.ts";
import { readIcsFeed } from "../feed-ics.ts";
import { type Plan, planSync } from "../feed-plan.ts";
import { fetchOutbound, parseOutboundAllow } from "../outbound.ts";
import type { Handle } from "../queues/actor.ts";
import type { SyncFeed } from "../queues/sync-feed.ts";
import { applyPlan } from "./apply-plan.ts";

const maxBytes = 2 * 1024 ** 2;
const timeoutMs = 10_000;
const shown = 50;

type Needs = "db" | "bus" | "config";

/**
 * Fetches, compares, applies. A feed that cannot be had or understood changes nothing but what is said of the source; it is
 * fetched again when it is due. A sync that is run twice finds nothing to do the second time.
 */
export const handle: Handle<SyncFeed, Needs> = async ({ payload: { sourceId, dryRun }, deps, signal, log }) => {
  const { db } = deps;
  const source = await findSource(db, sourceId);
  if (!source) return { state: "gone" };
  if (!source.enabled && !dryRun) return { state: "paused" };
  try {
    const fetched = await fetchFeed(source, { config: deps.config, signal, conditional: !dryRun });
    if (!fetched) {
      await settleSource(db, { ...source, report: undefined });
      return { state: "unchanged" };
    }
    const feed = read(source, fetched.text);
    const plan = planSync({ ...feed, known: await listSourcedEvents(db, source.id), now: new Date() });
    const report = describe(plan, feed);
    if (dryRun) return { state: "planned", ...report };
    await applyPlan(deps, { source, plan, signal });
    // Validators are kept of a feed that was taken over whole: what was left out is looked at again.
    const { etag, lastModified } = plan.problem === null ? fetched : { etag: null, lastModified: null };
    await settleSource(db, { id: source.id, etag, lastModified, report });
    return { state: "synced", ...report };
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof Fault) || error.code === "internal") throw error;
    log.info({ err: error, source: source.id }, "a feed was not synced");
    if (!dryRun) await failSource(db, { id: source.id, problem: error.message });
    return { state: "failed", problem: error.message };
  }
};

type Fetch = { config: Deps["config"]; signal: AbortSignal; conditional: boolean };

/** The feed's text, or undefined when it is what it was last time (RFC 9110, 13.1). */
async function fetchFeed({ url, etag, lastModified }: SourceRow, { config, signal, conditional }: Fetch) {
  const validators = {
    ...(etag !== null && { "if-none-match": etag }),
    ...(lastModified !== null && { "if-modified-since": lastModified }),
  };
  const answer = await fetchOutbound(url, {
    allow: parseOutboundAllow(config.OUTBOUND_ALLOW),
    maxBytes,
    timeoutMs,
    signal,
    headers: { accept: "text/calendar, application/json;q=0.9, */*;q=0.1", ...(conditional && validators) },
  });
  if (answer.status !== 200) {
    answer.close();
    if (answer.status === 304) return undefined;
    throw new Fault("unavailable", `Cannot fetch the feed: its server answers ${answer.status}`);
  }
  const chunks: Uint8Array[] = [];
  for await (const chunk of answer.body) chunks.push(chunk);
  return {
    text: new TextDecoder().decode(Buffer.concat(chunks)),
    etag: answer.headers.get("etag")?.slice(0, 200) ?? null,
    lastModified: answer.headers.get("last-modified")?.slice(0, 100) ?? null,
  };
}

function read({ format, timeZone }: SourceRow, text: string): Feed {
  return format === "ics" ? readIcsFeed(text, { timeZone }) : readJsonFeed(text, { timeZone });
}

/** What is told of a sync: how much of each, and the first of them by name. */
function describe({ steps, unchanged, problem }: Plan<{ uid: string; slug: string }>, { skipped }: Feed) {
  const named = steps.map((step) =>
    step.act === "add"
      ? { act: step.act, uid: step.event.uid, title: step.event.title, startsAt: step.event.startsAt }
      : step.act === "change"
        ? { act: step.act, uid: step.known.uid, event: step.known.slug, fields: step.fields, keptByHand: step.kept }
        : { act: step.act, uid: step.known.uid, event: step.known.slug, reason: step.reason },
  );
  const count = (act: string) => steps.filter((step) => step.act === act).length;
  return {
    added: count("add"),
    changed: count("change"),
    cancelled: count("cancel"),
    unchanged,
    skipped: skipped.length,
    problem,
    steps: named.slice(0, shown),
    skippedFirst: skipped.slice(0, shown),
  };
}
