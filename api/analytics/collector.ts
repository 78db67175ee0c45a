import { type AnalyticsRow, addDropped, insertAnalytics, prepareMonths } from "../../db/analytics-event.ts";
import type { Deps } from "../../deps.ts";
import { Fault, hasCode } from "../../fault.ts";
import { waitAtMost } from "../../patience.ts";
import { digestBytes, digestVisitor, openVisitors, type Visitor } from "./visitor.ts";

/** Something that was seen. The visitor's address is forgotten when its batch is written, and never kept. */
export type Seen = Visitor & {
  at: Date;
  kind: string;
  subject: { kind: string; id: string };
  version?: string;
  format?: string;
  launcher?: string;
  channel?: string;
  source?: string;
};

export type Collector = {
  /** Writes what was seen together with what others saw. Resolves when it is committed, or counted as dropped. */
  add: (seen: Seen) => Promise<void>;
  /** Resolves when all of it is committed. Fault: unavailable when it cannot be. */
  commit: (seen: Seen[]) => Promise<void>;
  /** How much was written, found written already, and dropped, in Prometheus' text format. */
  render: () => string;
  /** Writes what waits. */
  close: () => Promise<void>;
};

type Waiting = { seen: Seen; text: string | null; settle: (error?: unknown) => void };
type Settings = Pick<Deps, "db" | "log"> & { gatherMs?: number; maxWaiting?: number; maxBatch?: number };

const closeMs = 3_000;
const hourMs = 3600_000;
const dayMs = 24 * hourMs;

/**
 * Commits what several requests saw in one statement: one is under way, and whatever comes meanwhile is the next one. What
 * does not fit, and what could not be written, is counted, and the count is kept until the database takes it.
 */
export function openCollector({ db, log, gatherMs = 10, maxWaiting = 10_000, maxBatch = 1_000 }: Settings): Collector {
  const visitors = openVisitors(db);
  let waiting: Waiting[] = [];
  let running: Promise<void> | undefined;
  /** What waits and was seen in requests, so that who asks a thousand times in a second costs no more than once. */
  const joined = new Map<string, Promise<void>>();
  const untold = new Map<string, number>();
  const told = { written: 0, repeated: 0, dropped: 0 };

  const drop = (reason: string, count = 1) => {
    told.dropped += count;
    untold.set(reason, (untold.get(reason) ?? 0) + count);
  };
  const tellDropped = async () => {
    if (untold.size === 0) return;
    const counts = Object.fromEntries(untold);
    await addDropped(db, counts);
    for (const [reason, count] of Object.entries(counts)) {
      const rest = (untold.get(reason) ?? 0) - count;
      if (rest > 0) untold.set(reason, rest);
      else untold.delete(reason);
    }
  };
  const write = async (batch: Waiting[]) => {
    const rows = new Map<string, AnalyticsRow>();
    const digests = new Map<string, Uint8Array>(); // a launcher tells of one player fifty times
    for (const { seen } of batch) {
      const about = `${Math.floor(+seen.at / dayMs)} ${seen.address} ${seen.userId} ${seen.agent}`;
      const visitor = digests.get(about) ?? digestVisitor(await visitors.findSaltOf(seen.at), seen);
      digests.set(about, visitor);
      const row = toRow(seen, visitor);
      rows.set(`${Math.floor(+row.at / hourMs)} ${Buffer.from(row.key).toString("latin1")}`, row);
    }
    const insert = () => insertAnalytics(db, [...rows.values()]);
    const written = await insert().catch(async (error: unknown) => {
      if (!hasCode(error, "23514")) throw error;
      await prepareMonths(db); // the month has begun, and no roll-up has run for two
      return insert();
    });
    told.written += written;
    told.repeated += batch.length - written;
    await tellDropped().catch((error) => log.debug({ err: error }, "the count of dropped analytics waits"));
  };
  const flush = async () => {
    await Bun.sleep(gatherMs);
    while (waiting.length > 0) {
      const batch = waiting.slice(0, maxBatch);
      waiting = waiting.slice(maxBatch);
      for (const { text } of batch) if (text !== null) joined.delete(text);
      try {
        await write(batch);
        for (const { settle } of batch) settle();
      } catch (error) {
        const dropped = batch.filter(({ text }) => text !== null).length;
        if (dropped > 0) drop("not written", dropped);
        log.warn({ err: error, dropped }, "analytics were not written");
        for (const { settle } of batch) settle(error);
      }
    }
    running = undefined; // in the same moment as the last look at what waits
  };
  const push = (entries: Waiting[]) => {
    waiting.push(...entries);
    running ??= flush();
  };

  return {
    add: (seen) => {
      const text = describe(seen);
      const known = joined.get(text);
      if (known) {
        told.repeated += 1;
        return known;
      }
      if (waiting.length >= maxWaiting) {
        drop("too many");
        return Promise.resolve();
      }
      const { promise, resolve } = Promise.withResolvers<void>();
      joined.set(text, promise);
      push([{ seen, text, settle: () => resolve() }]);
      return promise;
    },
    commit: async (all) => {
      if (all.length === 0) return;
      if (waiting.length + all.length > maxWaiting) throw unavailable();
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      let open = all.length;
      const settle = (error?: unknown) => {
        open -= 1;
        if (error !== undefined) reject(unavailable(error));
        else if (open === 0) resolve();
      };
      push(all.map((seen) => ({ seen, text: null, settle })));
      await promise;
    },
    render: () => {
      const name = "sunduk_analytics_events_total";
      const lines = Object.entries(told).map(([outcome, count]) => `${name}{outcome="${outcome}"} ${count}`);
      return `# HELP ${name} Analytics of this process: written, repeated within the hour, dropped\n# TYPE ${name} counter\n${lines.join("\n")}\n`;
    },
    close: async () => {
      await waitAtMost(Promise.resolve(running), closeMs);
      const left = waiting.filter(({ text }) => text !== null).length;
      waiting = [];
      if (left > 0) drop("not written", left);
      await waitAtMost(
        tellDropped().catch(() => undefined),
        closeMs,
      );
      const lost = [...untold.values()].reduce((sum, count) => sum + count, 0);
      if (lost > 0) log.warn({ lost }, "analytics are dropped, and the database does not know");
    },
  };
}

const unavailable = (cause?: unknown) =>
  new Fault("unavailable", "Cannot take the events: they could not be written. Send them again", { cause });

function describe({ kind, subject, version, format, launcher, channel, source, address, agent, userId }: Seen): string {
  return [kind, subject.id, version, format, launcher, channel, source, address, agent, userId].join("\n");
}

/** The key is the digest of all but the time. */
function toRow(
  { at, kind, subject, version = "", format = "", launcher = "", channel = "", source = "" }: Seen,
  visitor: Uint8Array,
): AnalyticsRow {
  const texts = [kind, subject.kind, subject.id, version, format, launcher, channel, source];
  const key = new Bun.CryptoHasher("sha256").update(visitor).update(texts.join("\n")).digest().subarray(0, digestBytes);
  const about = { kind, subjectKind: subject.kind, subjectId: subject.id };
  return { at, ...about, visitor, key, version, format, launcher, channel, source };
}
