import { afterAll, beforeAll, expect, test } from "bun:test";
import { type System, startSystem, type TestUser } from "../harness.ts";

let system: System;
let organizer: TestUser;

type Words = { ru?: string; en?: string };
/** Events of the search, by a slug that says what they are. All are ahead, an hour apart, in this order. */
const events: [slug: string, title: Words, text?: Words][] = [
  ["winter", { ru: "Зимний турнир", en: "Winter tournament" }],
  ["techno", { ru: "Техномагия: неделя открытий" }, { ru: "Строим заводы и магические башни вместе" }],
  ["skyfactory", { en: "SkyFactory Cup" }, { en: "Teams race on separate islands" }],
  ["christmas", { ru: "Ёлка на сервере" }, { ru: "Хоровод, подарки и снежки" }],
  ["survival", { ru: "Хардкорное выживание", en: "Hardcore survival" }],
  ["opening", { ru: "Открытие сервера", en: "Server opening" }],
  ["build", { en: "Build week" }, { en: "Everybody builds a castle" }],
  ["speedrun", { ru: "Спидран: убить дракона", en: "Dragon speedrun" }],
  ["parkour", { ru: "Паркур на скорость" }],
  ["skyblock", { ru: "Скайблок с нуля" }, { ru: "Без турнира: просто играем на острове" }],
  ["tourist", { ru: "Туристы в горах" }],
  ["north", { ru: "Экспедиция на север" }],
  ["mafia", { ru: "Мафия вечером" }],
  ["radio", { en: "Radio night with DJs" }],
];

beforeAll(async () => {
  system = await startSystem();
  organizer = await system.signUp("organizer", ["organizer"]);
  for (const [index, [slug, title, text = {}]] of events.entries()) {
    const startsAt = new Date(Date.UTC(2126, 0, 1, index)).toISOString();
    const body = {
      ...{ slug, title, text, startsAt, endsAt: startsAt, timeZone: "Europe/Moscow", place: { kind: "online" } },
      ...{ tags: index % 2 === 0 ? ["even"] : ["odd"], capacity: slug === "mafia" ? 0 : 10 },
    };
    const { status, text: told } = await organizer.call("POST", "/v1/events", { body });
    if (status !== 201) throw new Error(told);
  }
});
afterAll(() => system?.stop());

const list = async (query: Record<string, string>) => {
  const { status, json, text } = await system.call("GET", `/v1/events?${new URLSearchParams(query)}`);
  if (status !== 200) throw new Error(text);
  return json;
};
const find = async (query: Record<string, string>): Promise<string[]> =>
  (await list(query)).items.map(({ slug }: { slug: string }) => slug);

/** What is found, in any order, and what must not be. */
const phrases: [query: string, found: string[], not?: string[]][] = [
  // In any form.
  ["турнир", ["winter", "skyblock"], ["tourist"]],
  ["турнира", ["winter", "skyblock"]],
  ["турниров", ["winter", "skyblock"]],
  ["зимнего турнира", ["winter"], ["skyblock"]],
  ["летнего турнира", [], ["winter"]],
  ["открытия", ["techno", "opening"]],
  ["заводов", ["techno"]],
  ["tournaments", ["winter"]],
  ["openings", ["opening"]],
  ["building castles", ["build"]],
  ["islands racing", ["skyfactory"]],
  // Upper and lower, ё and е.
  ["ЁЛКА", ["christmas"]],
  ["елка", ["christmas"]],
  ["ёлки", ["christmas"]],
  ["SKYFACTORY", ["skyfactory"]],
  // Words of both languages at once, and the operators.
  ["сервер opening", ["opening"]],
  ["турнир -зимний", ["skyblock"], ["winter"]],
  ['"неделя открытий"', ["techno"]],
  ['"открытий неделя"', [], ["techno"]],
  ["паркур or дракон", ["parkour", "speedrun"]],
  // Misspelled, Russian.
  ["техномания", ["techno"]],
  ["тхномагия", ["techno"]],
  ["турнр", ["winter"], ["north"]],
  ["турнирр", ["winter"]],
  ["зимный турнир", ["winter"]],
  ["скайблк", ["skyblock"]],
  ["выжевание", ["survival"]],
  ["хардкрное", ["survival"]],
  ["откртие сервера", ["opening"]],
  ["спидрант", ["speedrun"]],
  ["паркурр", ["parkour"]],
  ["экспидиция", ["north"]],
  ["мафея", ["mafia"], ["techno"]],
  // Misspelled, English.
  ["skyfactry", ["skyfactory"], ["skyblock"]],
  ["skyfactori", ["skyfactory"]],
  ["tournamnet", ["winter"]],
  ["turnament", ["winter"]],
  ["tournment", ["winter"]],
  ["survivl", ["survival"]],
  ["hardcor", ["survival"]],
  ["servr opening", ["opening"]],
  ["opning", ["opening"]],
  ["bild week", ["build"]],
  ["speedrn", ["speedrun"]],
  ["dragn speedrun", ["speedrun"]],
  // Written with the other keyboard's letters.
  ["turnir", ["winter"]],
  ["parkur", ["parkour"]],
  // Nothing.
  ["север", ["north"], ["opening", "christmas"]],
  ["магия", ["techno"], ["mafia"]],
  ["raid", [], ["radio"]],
  ["летний кубок", [], ["winter", "skyfactory"]],
  ["bedwars", [], ["skyblock", "skyfactory"]],
  ["туннель", [], ["winter", "tourist"]],
  ["xyzzy", []],
  ["%", []],
  ["'; drop table", []],
  ["и", []],
  ["-", []],
];
test.each(phrases)("%s finds %j", async (query, found, not = []) => {
  const slugs = await find({ query });
  expect({
    missed: found.filter((slug) => !slugs.includes(slug)),
    wrong: slugs.filter((slug) => not.includes(slug)),
  }).toEqual({
    missed: [],
    wrong: [],
  });
  if (found.length === 0) expect(slugs).toEqual([]);
});

test("there are ten misspellings of each script", () => {
  const misspelled = phrases.slice(
    phrases.findIndex(([query]) => query === "техномания"),
    phrases.findIndex(([query]) => query === "turnir"),
  );
  const russian = misspelled.filter(([query]) => /[а-я]/.test(query)).length;
  expect([russian >= 10, misspelled.length - russian >= 10]).toEqual([true, true]);
});

test("what holds the words comes first, titles before texts, and then what is spelled nearly so", async () => {
  expect((await find({ query: "турнир" })).slice(0, 2)).toEqual(["winter", "skyblock"]);
  expect(await find({ query: "турнир", sort: "startsAt" })).toEqual(["winter", "skyblock"]);
  expect(await find({ query: "турнир", sort: "-startsAt" })).toEqual(["skyblock", "winter"]);
});

const all = events.map(([slug]) => slug);
const everywhere = { from: "2126-01-01", to: "2126-01-02" };
/** Filters alone and together. */
const filters: [query: Record<string, string>, found: string[]][] = [
  [{ ...everywhere }, all],
  [{ ...everywhere, sort: "-startsAt" }, all.toReversed()],
  [{ from: "2126-01-01T03:00:00Z", to: "2126-01-01T05:00:00Z" }, ["christmas", "survival"]],
  [{ from: "2126-01-01T06:00:00+03:00", to: "2126-01-01T08:00:00+03:00" }, ["christmas", "survival"]],
  [{ to: "2126-01-01T02:00:00Z", from: "2126-01-01" }, ["winter", "techno"]],
  [{ to: "2126-01-01", from: "2125-12-01" }, []],
  [{ ...everywhere, hasSeats: "true" }, all.filter((slug) => slug !== "mafia")],
  [{ ...everywhere, tag: "even" }, all.filter((_, index) => index % 2 === 0)],
  [{ ...everywhere, tag: "even", sort: "-startsAt" }, all.filter((_, index) => index % 2 === 0).toReversed()],
  [{ ...everywhere, tag: "none" }, []],
  [{ query: "мафия", hasSeats: "true" }, []],
  [{ query: "турнир", tag: "even" }, ["winter"]],
  [{ ...everywhere, organization: "no-such-one" }, []],
  [{ ...everywhere, pack: "no-such-pack" }, []],
  [{ ...everywhere, sort: "relevance" }, all],
];
test.each(filters)("%j", async (query, found) => {
  expect(await find(query)).toEqual(found);
});

const orders: [name: string, query: Record<string, string>][] = [
  ["by time", everywhere],
  ["backwards", { ...everywhere, sort: "-startsAt" }],
  ["of a tag", { ...everywhere, tag: "odd" }],
  ["of a tag, backwards", { ...everywhere, tag: "odd", sort: "-startsAt" }],
  ["by relevance", { query: "сервер or неделя or week or турнир or night" }],
];
test.each(orders)("pages %s show each once and in the order of one page", async (_name, query) => {
  const whole = await find({ ...query, limit: "100" });
  expect(whole.length).toBeGreaterThan(3);
  const paged: string[] = [];
  let cursor: string | null = null;
  do {
    const page: any = await list({ ...query, limit: "2", ...(cursor !== null && { cursor }) });
    paged.push(...page.items.map(({ slug }: { slug: string }) => slug));
    cursor = page.nextCursor;
  } while (cursor !== null);
  expect(paged).toEqual(whole);
});

test("a cursor that is not from here, and parameters that are unknown or wrong, are 400", async () => {
  for (const query of ["cursor=x", "sort=name", "colour=red", "from=2126-99-99", "hasSeats=yes", "limit=0", "mine=his"])
    expect([query, (await system.call("GET", `/v1/events?${query}`)).status]).toEqual([query, 400]);
  expect((await system.call("GET", "/v1/events?mine=true")).status).toBe(401);
});

test("a series appears once: at its next time in the range, backwards at its last", async () => {
  const soon = Temporal.Now.plainDateISO("Europe/Moscow").add({ days: 20 });
  const body = {
    ...{ slug: "series", title: { ru: "Каждую пятницу" }, place: { kind: "online" }, timeZone: "Europe/Moscow" },
    ...{ startsAt: `${soon}T19:00`, endsAt: `${soon}T22:00`, rrule: "FREQ=WEEKLY;COUNT=10" },
  };
  const made = await organizer.call("POST", "/v1/events", { body });
  expect(made.status).toBe(201);
  const shown = async (query: Record<string, string>) =>
    (await list(query)).items
      .filter(({ slug }: { slug: string }) => slug === "series")
      .map(({ occurrence }: any) => occurrence.startsAtLocal.slice(0, 10));
  const day = (weeks: number) => `${soon.add({ weeks })}`;
  const window = { from: `${soon.add({ days: 3 })}`, to: `${soon.add({ days: 30 })}` };
  expect(await shown({})).toEqual([day(0)]);
  expect(await shown({ query: "пятница" })).toEqual([day(0)]);
  expect(await shown(window)).toEqual([day(1)]);
  expect(await shown({ ...window, query: "пятницы" })).toEqual([day(1)]);
  expect(await shown({ ...window, sort: "-startsAt" })).toEqual([day(4)]);
  expect(await shown({ ...window, query: "пятницы", sort: "-startsAt" })).toEqual([day(4)]);
  // What is under way at `from` counts, what is over does not.
  expect(await shown({ from: `${soon}T20:00:00+03:00`, to: `${soon}T21:00:00+03:00` })).toEqual([day(0)]);
  expect(await shown({ from: `${soon}T20:00:00+03:00`, to: `${soon}T21:00:00+03:00`, sort: "-startsAt" })).toEqual([
    day(0),
  ]);
  expect(await shown({ from: `${soon}T22:00:00+03:00`, to: `${soon}T23:00:00+03:00` })).toEqual([]);
  // One that is called off is passed over, and one without seats when seats are asked for.
  const [first, second] = made.json.occurrences;
  const change = async (id: string, change: object) =>
    organizer.call("PATCH", `/v1/events/series/occurrences/${id}`, {
      body: change,
      headers: { "if-match": (await organizer.call("GET", "/v1/events/series")).headers.get("etag") ?? "" },
    });
  expect((await change(first.id, { cancelled: true })).status).toBe(200);
  expect((await change(second.id, { capacity: 0 })).status).toBe(200);
  expect(await shown({})).toEqual([day(1)]);
  expect(await shown({ hasSeats: "true" })).toEqual([day(2)]);
  expect(await shown({ hasSeats: "true", query: "пятница" })).toEqual([day(2)]);
  // A whole event that is called off is found by nobody but those it is of.
  await organizer.call("POST", "/v1/events/series/cancel", { body: {} });
  expect(await shown({})).toEqual([]);
  const own = await organizer.call("GET", "/v1/events?mine=true&query=пятница");
  expect(own.json.items.map(({ slug, state }: any) => [slug, state])).toEqual([["series", "cancelled"]]);
});
