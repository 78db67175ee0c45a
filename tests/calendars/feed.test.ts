import { describe, expect, test } from "bun:test";
import { Fault } from "../../fault.ts";
import { readJsonFeed } from "../../feed.ts";
import { readIcsFeed } from "../../feed-ics.ts";
import { type Known, planSync, toSaid } from "../../feed-plan.ts";

const zone = { timeZone: "Europe/Moscow" };
const calendar = (...lines: string[]) => ["BEGIN:VCALENDAR", "VERSION:2.0", ...lines, "END:VCALENDAR"].join("\r\n");
const event = (...lines: string[]) => ["BEGIN:VEVENT", "UID:a@x", "SUMMARY:Сбор", ...lines, "END:VEVENT"];
const readOne = (...lines: string[]) => {
  const { events, skipped } = readIcsFeed(calendar(...event(...lines)), zone);
  expect(skipped).toEqual([]);
  const [first] = events;
  if (!first) throw new Error("nothing was read");
  return first;
};

describe("an iCalendar feed", () => {
  const cases: [what: string, lines: string[], startsAt: string, endsAt: string, timeZone: string][] = [
    [
      "UTC",
      ["DTSTART:20260610T160000Z", "DTEND:20260610T180000Z"],
      "2026-06-10T16:00:00.000Z",
      "2026-06-10T18:00:00.000Z",
      "Europe/Moscow",
    ],
    [
      "a zone by name",
      ["DTSTART;TZID=Europe/Berlin:20260610T190000", "DURATION:PT90M"],
      "2026-06-10T17:00:00.000Z",
      "2026-06-10T18:30:00.000Z",
      "Europe/Berlin",
    ],
    ["no zone", ["DTSTART:20260610T190000"], "2026-06-10T16:00:00.000Z", "2026-06-10T17:00:00.000Z", "Europe/Moscow"],
    [
      "a whole day",
      ["DTSTART;VALUE=DATE:20260610"],
      "2026-06-09T21:00:00.000Z",
      "2026-06-10T21:00:00.000Z",
      "Europe/Moscow",
    ],
    [
      "days",
      ["DTSTART;VALUE=DATE:20260610", "DTEND;VALUE=DATE:20260613"],
      "2026-06-09T21:00:00.000Z",
      "2026-06-12T21:00:00.000Z",
      "Europe/Moscow",
    ],
  ];
  for (const [what, lines, startsAt, endsAt, timeZone] of cases)
    test(`tells times in ${what}`, () => {
      const read = readOne(...lines);
      expect([read.startsAt.toISOString(), read.endsAt.toISOString(), read.timeZone]).toEqual([
        startsAt,
        endsAt,
        timeZone,
      ]);
    });

  test("tells times in a zone of its own making", () => {
    const own = [
      "BEGIN:VTIMEZONE",
      "TZID:Our Zone",
      "BEGIN:STANDARD",
      "DTSTART:20200101T000000",
      "TZOFFSETFROM:+0500",
      "TZOFFSETTO:+0500",
      "END:STANDARD",
      "END:VTIMEZONE",
    ];
    const { events } = readIcsFeed(calendar(...own, ...event("DTSTART;TZID=Our Zone:20260610T190000")), zone);
    expect(events[0]?.startsAt.toISOString()).toBe("2026-06-10T14:00:00.000Z");
  });

  test("does not follow a zone that changes its clocks each second, nor ten thousand changes of clocks", () => {
    const standard = (...lines: string[]) => [
      ...["BEGIN:STANDARD", "DTSTART:20000101T000000", "TZOFFSETFROM:+0000", "TZOFFSETTO:+0100"],
      ...[...lines, "END:STANDARD"],
    ];
    const zoned = (...parts: string[]) =>
      calendar(
        ...["BEGIN:VTIMEZONE", "TZID:Odd", ...parts, "END:VTIMEZONE"],
        ...event("DTSTART;TZID=Odd:20260610T190000"),
      );
    for (const rule of ["FREQ=SECONDLY", "FREQ=YEARLY;BYSECOND=1,2,3", "FREQ=DAILY"])
      expect(readIcsFeed(zoned(...standard(`RRULE:${rule}`)), zone).events[0]?.startsAt.toISOString()).toBe(
        "2026-06-10T16:00:00.000Z",
      );
    expect(() => readIcsFeed(zoned(...Array(10_000).fill(standard()).flat()), zone)).toThrow("parts");
  });

  test("reads the rules by which zones change their clocks", () => {
    const berlin = (name: string, [from, to]: [string, string], rule: string) => [
      ...[`BEGIN:${name}`, "DTSTART:19700329T020000", `TZOFFSETFROM:${from}`, `TZOFFSETTO:${to}`],
      ...[`RRULE:${rule}`, `END:${name}`],
    ];
    const text = calendar(
      ...["BEGIN:VTIMEZONE", "TZID:Ours"],
      ...berlin("DAYLIGHT", ["+0100", "+0200"], "FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU"),
      ...berlin("STANDARD", ["+0200", "+0100"], "FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10"),
      ...["END:VTIMEZONE", ...event("DTSTART;TZID=Ours:20260610T190000")],
    );
    expect(readIcsFeed(text, zone).events[0]?.startsAt.toISOString()).toBe("2026-06-10T17:00:00.000Z");
  });

  test("has words, a place, tags, a rule, and dates that are not as the rule has them", () => {
    const read = readIcsFeed(
      calendar(
        ...event(
          "DTSTART;TZID=Europe/Berlin:20260610T190000",
          "DTEND;TZID=Europe/Berlin:20260610T200000",
          "RRULE:FREQ=WEEKLY;COUNT=5",
          "EXDATE;TZID=Europe/Berlin:20260617T190000",
          "LOCATION:play.example.org:25565",
          "CATEGORIES:Build Week,Турнир",
          "DESCRIPTION:Come\\, all\\nof you",
        ),
        "BEGIN:VEVENT",
        "UID:a@x",
        "RECURRENCE-ID;TZID=Europe/Berlin:20260624T190000",
        "DTSTART;TZID=Europe/Berlin:20260625T190000",
        "STATUS:CANCELLED",
        "END:VEVENT",
      ),
      zone,
    ).events[0];
    expect(read).toMatchObject({
      title: { ru: "Сбор" },
      text: { en: "Come, all\nof you" },
      place: { kind: "server", address: "play.example.org:25565" },
      tags: ["build-week", "турнир"],
      rrule: "FREQ=WEEKLY;COUNT=5",
    });
    expect(
      read?.exceptions.map(({ recursAt, startsAt, cancelled }) => [
        recursAt.toISOString(),
        startsAt.toISOString(),
        cancelled,
      ]),
    ).toEqual([
      ["2026-06-17T17:00:00.000Z", "2026-06-17T17:00:00.000Z", true],
      ["2026-06-24T17:00:00.000Z", "2026-06-25T17:00:00.000Z", true],
    ]);
  });

  const bad: [what: string, lines: string[]][] = [
    ["no start", []],
    ["an end before its start", ["DTSTART:20260610T160000Z", "DTEND:20260609T160000Z"]],
    ["a rule by the second", ["DTSTART:20260610T160000Z", "RRULE:FREQ=SECONDLY"]],
    [
      "too many dates left out",
      ["DTSTART:20260610T160000Z", "RRULE:FREQ=DAILY", `EXDATE:${Array(1_001).fill("20260611T160000Z")}`],
    ],
    ["dates of its own", ["DTSTART:20260610T160000Z", "RDATE:20260611T160000Z"]],
  ];
  for (const [what, lines] of bad)
    test(`an event with ${what} is left out and told; the others are read`, () => {
      const other = ["BEGIN:VEVENT", "UID:b@x", "SUMMARY:b", "DTSTART:20260610T160000Z", "END:VEVENT"];
      const { events, skipped } = readIcsFeed(calendar(...event(...lines), ...other), zone);
      expect(events.map(({ uid }) => uid)).toEqual(["b@x"]);
      expect(skipped).toMatchObject([{ uid: "a@x" }]);
    });

  for (const text of [
    "",
    "<html>",
    "BEGIN:VCALENDAR",
    calendar().replace("END:", "END:V"),
    "\u0000".repeat(1000),
    "BEGIN:VEVENT\r\nEND:VEVENT",
  ])
    test(`what is none is refused: ${JSON.stringify(text.slice(0, 20))}`, () => {
      expect(() => readIcsFeed(text, zone)).toThrow(Fault);
    });

  test("a date of a series that is not there is told", () => {
    const { events, skipped } = readIcsFeed(
      calendar(...event("DTSTART:20260610T160000Z", "RECURRENCE-ID:20260610T160000Z")),
      zone,
    );
    expect([events, skipped]).toEqual([[], [{ uid: "a@x", reason: "its series is not in the feed" }]]);
  });

  test("more events than are read are told, and of twins the last counts", () => {
    const many = Array.from({ length: 1_200 }, (_, index) => [
      "BEGIN:VEVENT",
      `UID:${index % 700}`,
      `SUMMARY:${index}`,
      "DTSTART:20260610T160000Z",
      "END:VEVENT",
    ]).flat();
    const { events, skipped } = readIcsFeed(calendar(...many), zone);
    expect(events).toHaveLength(700);
    expect(skipped.at(-1)?.reason).toContain("only the first 1000 of 1200");
  });
});

test("a JSON feed is read by its schema, and what does not fit is left out and told", () => {
  const good = {
    uid: "1",
    title: { ru: "Сбор", en: "Meeting" },
    startsAt: "2026-06-10T19:00",
    timeZone: "Europe/Berlin",
    url: "https://example.org/x",
  };
  const bad = [{ uid: "2" }, "x", { ...good, uid: "3", timeZone: "Mars" }, { ...good, uid: "4", startsAt: "soon" }];
  const { events, skipped } = readJsonFeed(JSON.stringify({ events: [good, ...bad] }), zone);
  expect(events).toMatchObject([
    {
      uid: "1",
      title: good.title,
      startsAt: new Date("2026-06-10T17:00:00Z"),
      place: { kind: "online", url: "https://example.org/x" },
    },
  ]);
  expect(skipped.map(({ uid }) => uid)).toEqual(["2", null, "3", "4"]);
  for (const text of ["", "[]", "{}", '{"events": 1}', "null"]) expect(() => readJsonFeed(text, zone)).toThrow(Fault);
});

test("texts are what the database can keep: whole characters, a title, no U+0000", () => {
  const at = { startsAt: "2026-06-10T19:00" };
  const place = `${"x".repeat(499)}🏰`;
  const given = [
    { uid: "a\0b", title: "half \ud83d", place, ...at },
    { uid: "2", title: { ru: "" }, ...at },
    { uid: "3", title: "\0", ...at },
  ];
  const { events, skipped } = readJsonFeed(JSON.stringify({ events: given }), zone);
  expect(events).toMatchObject([{ uid: "ab", title: { en: "half \ufffd" } }]);
  expect(JSON.stringify(events)).not.toMatch(/\\u(0000|d8)/);
  expect(skipped).toHaveLength(2);
});

describe("a plan", () => {
  const now = new Date("2026-06-01T00:00:00Z");
  const told = (uid: string, summary = "x") =>
    readJsonFeed(JSON.stringify({ events: [{ uid, title: summary, startsAt: "2026-06-10T19:00" }] }), zone).events[0];
  const feed = (...events: ReturnType<typeof told>[]) => events.filter((one) => one !== undefined);
  const known = (uid: string, change: Partial<Known> = {}): Known => ({
    uid,
    state: "published",
    deleted: false,
    edited: [],
    said: feed(told(uid)).map(toSaid)[0] ?? {},
    endsLastAt: new Date("2026-06-10T20:00:00Z"),
    ...change,
  });
  const acts = (events: ReturnType<typeof feed>, rows: Known[]) => {
    const { steps, unchanged, problem } = planSync({ events, skipped: [], known: rows, now });
    const words = steps.map((step) =>
      step.act === "change"
        ? `change ${step.fields} kept ${step.kept}`
        : step.act === "cancel"
          ? `cancel ${step.known.uid}`
          : "add",
    );
    return { words, unchanged, problem: problem !== null };
  };

  const cases: [
    what: string,
    events: ReturnType<typeof feed>,
    rows: Known[],
    words: string[],
    unchanged: number,
    problem: boolean,
  ][] = [
    ["adds what is new", feed(told("a")), [], ["add"], 0, false],
    ["leaves what is the same", feed(told("a")), [known("a")], [], 1, false],
    ["changes what the feed says anew", feed(told("a", "y")), [known("a")], ["change title kept "], 0, false],
    [
      "keeps what was changed by hand",
      feed(told("a", "y")),
      [known("a", { edited: ["title"] })],
      ["change  kept title"],
      0,
      false,
    ],
    ["does not bring back what was deleted here", feed(told("a", "y")), [known("a", { deleted: true })], [], 1, false],
    [
      "cancels the one that vanished",
      feed(told("a"), told("b")),
      [known("a"), known("b"), known("c")],
      ["cancel c"],
      2,
      false,
    ],
    ["does nothing when the feed is empty", [], [known("a")], [], 0, true],
    ["does nothing when most have vanished", feed(told("a")), [known("a"), known("b"), known("c")], [], 1, true],
    [
      "lets go of what is over",
      feed(told("a")),
      [known("a"), known("b", { endsLastAt: new Date("2026-05-01") })],
      [],
      1,
      false,
    ],
  ];
  for (const [what, events, rows, words, unchanged, problem] of cases)
    test(what, () => expect(acts(events, rows)).toEqual({ words, unchanged, problem }));
});
