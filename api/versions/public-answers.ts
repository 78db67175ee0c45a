import type { Bus } from "../../db/bus.ts";
import type { Download } from "./archives.ts";

/**
 * What a question about a pack is about, or about all of them (`slug` is "*"): `path` tells the questions apart, `linkId` who
 * asks by which share link.
 */
export type Question = { slug: string; path: string; linkId?: string };

/**
 * An answer with its strong ETag; the body is a Blob, so that sending it copies nothing, and its type is the answer's.
 * `isPublic` says that everybody gets the same, `headers` are more of the answer's.
 */
export type Looked = {
  body: Blob;
  etag: string;
  isPublic: boolean;
  download?: Download;
  headers?: Record<string, string>;
};

export type PublicAnswers = {
  /** The answer, when it is remembered and may still be given without asking. */
  find: (question: Question) => Looked | undefined;
  /** Looks, once for all who wait for the same, and remembers what is public or asked by a link. Failures are not remembered. */
  ask: (question: Question, look: () => Promise<Looked>) => Promise<Looked>;
};

type Settings = { bus: Pick<Bus, "subscribe">; keepMs?: number; maxBytes?: number };

/**
 * Remembers what packs answer to callers without a token, for at most `keepMs` from when the database was asked.
 * `pack.changed` on the bus makes it sooner: a lost hint costs no more than `keepMs`. The oldest go at `maxBytes` in all.
 */
export function openPublicAnswers({ bus, keepMs = 1_000, maxBytes = 64 * 1024 ** 2 }: Settings): PublicAnswers {
  const kept = new Map<string, { slug: string; answer: Looked; untilMs: number }>();
  const asking = new Map<string, { slug: string; answer: Promise<Looked>; untilMs: number }>();
  let keptBytes = 0;
  const keyOf = ({ slug, path, linkId = "" }: Question) => `${slug}/${linkId}/${path}`;

  const drop = (key: string) => {
    keptBytes -= kept.get(key)?.answer.body.size ?? 0;
    kept.delete(key);
  };
  const keep = (key: string, entry: { slug: string; answer: Looked; untilMs: number }) => {
    kept.set(key, entry);
    keptBytes += entry.answer.body.size;
    // A Map keeps the order in which its keys came. An answer weighs more than its body, so what is given to nobody goes too.
    for (const [oldest, { untilMs }] of kept) {
      if (keptBytes <= maxBytes && performance.now() < untilMs) break;
      drop(oldest);
    }
  };

  bus.subscribe("pack.changed", (slug) => {
    for (const [key, entry] of kept) if (entry.slug === slug || entry.slug === "*") drop(key);
    // Who asks from now on must not be told what was read before the change.
    for (const [key, flight] of asking) if (flight.slug === slug || flight.slug === "*") asking.delete(key);
  });

  return {
    find: (question) => {
      const entry = kept.get(keyOf(question));
      return entry && performance.now() < entry.untilMs ? entry.answer : undefined;
    },
    ask: (question, look) => {
      const key = keyOf(question);
      const running = asking.get(key);
      // Who asks later than that would be told what was so before.
      if (running && performance.now() < running.untilMs) return running.answer;
      // Not all that was asked for at one moment is asked for at one moment again.
      const untilMs = performance.now() + keepMs * (0.7 + 0.3 * Math.random());
      const flight = { slug: question.slug, answer: look(), untilMs };
      asking.set(key, flight);
      const settle = (answer?: Looked) => {
        if (asking.get(key) !== flight) return; // forgotten meanwhile
        asking.delete(key);
        drop(key);
        if (answer && (answer.isPublic || question.linkId !== undefined))
          keep(key, { slug: question.slug, answer, untilMs });
      };
      flight.answer.then(settle, () => settle());
      return flight.answer;
    },
  };
}
