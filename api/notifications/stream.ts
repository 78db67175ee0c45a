import { listNewInbox } from "../../db/notification-words.ts";
import { Fault } from "../../fault.ts";
import type { Reader } from "../../notification-words.ts";
import type { Api } from "../api.ts";
import type { Caller } from "../tokens.ts";
import { countUnreadOf, describeNotification, getReader } from "./inbox.ts";

const heartbeatMs = 5_000;
/** A hint may get lost, so the inbox is read so often besides. */
const lookMs = 10_000;
const mostStreams = 5;
const mostAtOnce = 100;
/** Rows commit in another order than their ids say: what was committed so late is still found. */
const overlapMs = 60_000;
/** Who was away for longer reads his inbox instead. */
const oldestMs = 7 * 24 * 3_600_000;

type Streams = Pick<Api, "db" | "bus" | "revocations">;
type Opening = { caller: Caller; signal: AbortSignal; seen: string | null };

/** Streams of inboxes, a bounded number for each person in each process. */
export function openInboxStreams(api: Streams) {
  const open = new Map<string, number>();
  const change = (userId: string, by: number) => {
    const count = (open.get(userId) ?? 0) + by;
    if (count > 0) open.set(userId, count);
    else open.delete(userId);
  };
  return {
    /** What comes into the caller's inbox, as server-sent events: after `seen` (Last-Event-ID), or from now on. 429 beyond five. */
    open: async ({ caller, signal, seen }: Opening): Promise<ReadableStream<Uint8Array>> => {
      const { userId } = caller;
      if ((open.get(userId) ?? 0) >= mostStreams)
        throw new Fault("too-many", `Cannot open another stream: you have ${mostStreams}. Close one`, {
          retryAfterSeconds: 5,
        });
      change(userId, 1);
      try {
        const reader = await getReader(api, userId);
        return streamInbox(api, { caller, signal, seen, reader, closed: () => change(userId, -1) });
      } catch (error) {
        change(userId, -1);
        throw error;
      }
    },
  };
}

type Stream = Opening & { reader: Reader; closed: () => void };

function streamInbox({ db, bus, revocations }: Streams, { caller, signal, seen, reader, closed }: Stream) {
  const encoder = new TextEncoder();
  const { userId } = caller;
  const last = seen !== null && /^[0-9a-f-]{36}$/.test(seen) ? seen : undefined;
  const sent = new Set(last === undefined ? [] : [last]);
  const since = last === undefined ? Date.now() : Math.max(timeOf(last), Date.now() - oldestMs);
  // Who comes back may be told once more of what came just before: it has the same id.
  let from = idBefore(since - overlapMs);
  let isNew = last !== undefined;
  let unread = -1;
  let stop = () => {};
  return new ReadableStream<Uint8Array>({
    start(controller) {
      const write = (text: string) => controller.enqueue(encoder.encode(text));
      let ended = false;
      let looking: Promise<void> = Promise.resolve();
      const look = async () => {
        if (ended) return;
        const rows = await listNewInbox(db, { userId, from, limit: mostAtOnce });
        const count = await countUnreadOf({ db }, userId);
        if (ended) return;
        for (const row of rows) {
          if (sent.has(row.id)) continue;
          sent.add(row.id);
          if (!isNew) continue; // it was there when the stream was opened
          write(`id: ${row.id}\nevent: notification\ndata: ${JSON.stringify(describeNotification(row, reader))}\n\n`);
        }
        const end = rows.at(-1);
        const isFull = rows.length === mostAtOnce && end !== undefined;
        from = isFull ? end.id : maxId(from, idBefore(Date.now() - overlapMs));
        if (!isFull) isNew = true;
        for (const id of sent) if (id < from) sent.delete(id);
        if (count !== unread) write(`event: unread\ndata: {"unread":${count}}\n\n`);
        unread = count;
        if (isFull) lookSafely();
      };
      // One after the other: two at once would both send what is new.
      const lookSafely = () => {
        looking = looking.then(look).catch(() => stop()); // the client connects again with Last-Event-ID
      };
      const unsubscribe = bus.subscribe("notification.changed", (changed) => {
        if (changed === userId) lookSafely();
      });
      // Whoever is signed out, disabled or deleted meanwhile hears no more.
      const forget = revocations.onRevoked(() => {
        if (revocations.isRevoked(caller)) stop();
      });
      const timers = [setInterval(lookSafely, lookMs), setInterval(() => write(": still here\n\n"), heartbeatMs)];
      stop = () => {
        if (ended) return;
        ended = true;
        unsubscribe();
        forget();
        for (const timer of timers) clearInterval(timer);
        closed();
        controller.close();
      };
      signal.addEventListener("abort", stop, { once: true });
      if (revocations.isRevoked(caller)) return stop();
      lookSafely();
    },
    cancel: () => stop(),
  });
}

/** The smallest UUIDv7 of a moment (RFC 9562, 5.7: the first 48 bits are milliseconds). */
function idBefore(atMs: number): string {
  const hex = Math.max(0, Math.floor(atMs)).toString(16).padStart(12, "0");
  return `${hex.slice(0, 8)}-${hex.slice(8)}-7000-8000-000000000000`;
}

function timeOf(id: string): number {
  return Number.parseInt(id.replaceAll("-", "").slice(0, 12), 16);
}

const maxId = (one: string, other: string) => (one > other ? one : other);
