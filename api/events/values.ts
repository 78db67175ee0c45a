import type { EventValues } from "../../db/event.ts";
import { findLinkedAlbum, findLinkedPack } from "../../db/event-links.ts";
import { findLastEnd } from "../../db/event-times.ts";
import type { Db } from "../../db/query.ts";
import { Fault } from "../../fault.ts";
import { isTimeZone, readTime, spellTimeZone } from "../../local-time.ts";
import { toReader } from "../caller.ts";
import type { Caller } from "../tokens.ts";
import type { EventInput } from "./model.ts";

/** The longest that one occurrence lasts. */
const longestMs = 92 * 24 * 3600 * 1000;

type Given = {
  caller: Caller;
  input: EventInput;
  /** What it was before; undefined for a new event, whose input has all that is required. */
  former: EventValues | undefined;
  /** Whether it belongs to an organization. */
  shared: boolean;
};

/** What an event is to be, from what its organizer says and what it was; 422 for what does not fit together. */
export async function readValues(db: Db, { caller, input, former, shared }: Given): Promise<EventValues> {
  const { pack, album, startsAt, endsAt, opensAt, timeZone: zone, rrule, ...plain } = input;
  const base = former ?? fresh;
  if (zone !== undefined && !isTimeZone(zone)) throw refuse("/timeZone", `There is no time zone "${zone}"`);
  const timeZone = zone === undefined ? base.timeZone : spellTimeZone(zone);
  if (former && timeZone !== former.timeZone && (startsAt === undefined || endsAt === undefined))
    throw refuse("/timeZone", "Another time zone needs startsAt and endsAt");
  const times = readTimes({ startsAt, endsAt, timeZone }, base);
  const rule = rrule === undefined ? base.rrule : (rrule?.replace(/^RRULE:/i, "").toUpperCase() ?? null);
  const series = { ...times, timeZone, rrule: rule };
  const values = {
    ...base,
    ...plain,
    ...series,
    endsLastAt: findLastEnd(series, new Date()),
    opensAt:
      opensAt == null ? (opensAt === null ? null : base.opensAt) : readTime(opensAt, timeZone, { pointer: "/opensAt" }),
    ...(pack !== undefined && (await readPack(db, { pack, caller }))),
    ...(album !== undefined && { albumId: album && (await readAlbum(db, { id: album, caller })) }),
  };
  if (values.visibility === "members" && !shared)
    throw refuse("/visibility", "Only an event of an organization can be for its members");
  checkQuestions(input.questions ?? []);
  return values;
}

const fresh: EventValues = {
  title: {},
  text: {},
  place: { kind: "online" },
  startsAt: new Date(0),
  endsAt: new Date(0),
  timeZone: "",
  rrule: null,
  endsLastAt: null,
  capacity: null,
  opensAt: null,
  closesBeforeSeconds: 0,
  approval: "instant",
  confirmByLink: false,
  offerSeconds: 12 * 3600,
  visibility: "public",
  packId: null,
  versionId: null,
  albumId: null,
  tags: [],
  questions: [],
};

type Times = { startsAt?: string | undefined; endsAt?: string | undefined; timeZone: string };

/** Start and end; an event whose start alone is moved stays as long as it was. */
export function readTimes({ startsAt, endsAt, timeZone }: Times, former: { startsAt: Date; endsAt: Date }) {
  const start = startsAt === undefined ? former.startsAt : readTime(startsAt, timeZone, { pointer: "/startsAt" });
  const lengthMs = former.endsAt.getTime() - former.startsAt.getTime();
  const end =
    endsAt !== undefined
      ? readTime(endsAt, timeZone, { pointer: "/endsAt" })
      : startsAt === undefined
        ? former.endsAt
        : new Date(start.getTime() + lengthMs);
  if (end < start) throw refuse("/endsAt", "It ends before it starts");
  if (end.getTime() - start.getTime() > longestMs) throw refuse("/endsAt", "It lasts longer than 92 days");
  return { startsAt: start, endsAt: end };
}

async function readPack(db: Db, { pack, caller }: { pack: NonNullable<EventInput["pack"]> | null; caller: Caller }) {
  if (!pack) return { packId: null, versionId: null };
  const found = await findLinkedPack(db, { slug: pack.slug, version: pack.version ?? null, reader: toReader(caller) });
  if (!found) throw refuse("/pack/slug", `There is no pack "${pack.slug}" that you may see`);
  if (pack.version != null && found.versionId === null)
    throw refuse("/pack/version", `There is no published version "${pack.version}" of "${pack.slug}"`);
  return found;
}

async function readAlbum(db: Db, { id, caller }: { id: string; caller: Caller }): Promise<string> {
  const found = await findLinkedAlbum(db, { id, reader: toReader(caller) });
  if (!found) throw refuse("/album", "There is no such album that you may change");
  return found.id;
}

function checkQuestions(questions: NonNullable<EventInput["questions"]>): void {
  const ids = questions.map(({ id }) => id);
  for (const [index, { id, kind, options }] of questions.entries()) {
    if (ids.indexOf(id) !== index) throw refuse(`/questions/${index}/id`, `The question "${id}" is there twice`);
    if ((kind === "choice") !== (options !== undefined))
      throw refuse(`/questions/${index}/options`, `The question "${id}": options are for a choice, which needs them`);
    const keys = options?.map((option) => option.id) ?? [];
    if (new Set(keys).size !== keys.length)
      throw refuse(`/questions/${index}/options`, `The question "${id}" has an option twice`);
  }
}

function refuse(pointer: string, detail: string): Fault {
  return new Fault("invalid", `Cannot accept the event: ${detail}`, { errors: [{ pointer, detail }] });
}

/** Fields that both people and calendars call a change of when and where. */
const heard = ["startsAt", "endsAt", "timeZone", "rrule", "place"];
const names: Record<string, string> = { packId: "pack", versionId: "pack", albumId: "album" };

/** Which fields are others than before, and whether people must hear of it. */
export function compareValues(former: EventValues, values: EventValues) {
  const { endsLastAt, ...compared } = values;
  const old = new Map<string, unknown>(Object.entries(former));
  const changed = Object.entries(compared).filter(([name, value]) => !Bun.deepEquals(value, old.get(name)));
  const fields = [...new Set(changed.map(([name]) => names[name] ?? name))];
  return { fields, raisesSequence: fields.some((field) => heard.includes(field)) };
}
