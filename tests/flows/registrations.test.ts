import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { one, run } from "../../db/query.ts";
import { setConfirmToken } from "../../db/registration.ts";
import { type Call, type System, startSystem, type TestUser, waitFor } from "../harness.ts";
import { arrangeEvent } from "../registrations/arrange.ts";

let system: System;
let organizer: TestUser;
let anna: TestUser;
let boris: TestUser;
let vera: TestUser;

beforeAll(async () => {
  system = await startSystem({ pods: 1 });
  [organizer, anna, boris, vera] = await Promise.all([
    system.signUp("organizer"),
    system.signUp("anna"),
    system.signUp("boris"),
    system.signUp("vera"),
  ]);
});
afterAll(() => system?.stop());

type Arranged = Parameters<typeof arrangeEvent>[2] & { visibility?: string; questions?: unknown };

async function makeEvent({ visibility = "public", questions = [], ...arranged }: Arranged) {
  const owner = await one<{ id: string }>(system.db, {
    name: "test_owner",
    text: `select id from account."user" where login = 'organizer'`,
  });
  const event = await arrangeEvent(system.db, String(owner?.id), arranged);
  await run(system.db, {
    name: "test_event_more",
    text: `update event.event set visibility = $2, questions = $3 where id = $1`,
    values: [event.eventId, visibility, JSON.stringify(questions)],
  });
  return { ...event, path: `/v1/events/${event.slug}/registrations` };
}

/** Has an occurrence begin so long from now. */
const begin = (occurrenceId: string, inTime: string) =>
  run(system.db, {
    name: "test_begin",
    text: `update event.occurrence set starts_at = now() + $2::interval where id = $1`,
    values: [occurrenceId, inTime],
  });

const register = (user: TestUser, path: string, body: unknown = {}) => user.call("POST", path, { body });
const step = (user: TestUser, path: string, action: string, body: unknown = {}) =>
  user.call("POST", `${path}/${action}`, { body });

describe("seats and the waitlist", () => {
  test("a seat, then places in the waitlist; whoever leaves makes room for the first of those who wait", async () => {
    const { path } = await makeEvent({ capacity: 1 });
    const seat = await register(anna, path);
    expect([seat.status, seat.json.state, seat.json.place]).toEqual([201, "confirmed", null]);
    expect(seat.headers.get("location")).toBe(`${path}/${seat.json.id}`);
    const second = await register(boris, path);
    const third = await register(vera, path);
    expect([second.json.state, second.json.place, third.json.place]).toEqual(["waitlisted", 1, 2]);
    const again = await register(boris, path);
    expect([again.status, again.json.id, again.json.place]).toEqual([200, second.json.id, 1]);

    const left = await step(anna, `${path}/${seat.json.id}`, "cancel");
    expect([left.status, left.json.state]).toEqual([200, "cancelled"]);
    const promoted = await boris.call("GET", `${path}/${second.json.id}`);
    expect(promoted.json.state).toBe("confirmed");
    expect(promoted.json.changes.map(({ to, reason, by }: Record<string, string>) => [to, reason, by])).toEqual([
      ["waitlisted", "registered", "boris"],
      ["confirmed", "promoted", null],
    ]);
    expect((await vera.call("GET", `${path}/${third.json.id}`)).json.place).toBe(1);
    const activity = (await anna.call("GET", "/v1/me/activity")).json.items.slice(0, 2);
    expect(activity.map(({ kind }: { kind: string }) => kind)).toEqual(["event-left", "event-registered"]);
    const back = await register(anna, path);
    expect([back.status, back.json.state, back.json.place]).toEqual([201, "waitlisted", 2]);
  });

  test("an offered seat is taken by its person, or given to the next when its time is over, by itself", async () => {
    const { path } = await makeEvent({ capacity: 1, offerSeconds: 3600 });
    const seat = await register(anna, path);
    const second = (await register(boris, path)).json.id;
    const third = (await register(vera, path)).json.id;
    await step(anna, `${path}/${seat.json.id}`, "cancel");
    const offered = await boris.call("GET", `${path}/${second}`);
    expect(offered.json.state).toBe("offered");
    expect(Date.parse(offered.json.offeredUntil)).toBeGreaterThan(Date.now());
    expect((await step(organizer, `${path}/${second}`, "confirm")).status).toBe(403);
    await run(system.db, {
      name: "test_offer_over",
      text: `update event.registration set offered_until = now() - interval '1 second' where id = $1`,
      values: [second],
    });
    await waitFor(async () => (await vera.call("GET", `${path}/${third}`)).json.state === "offered", "the next offer");
    expect((await boris.call("GET", `${path}/${second}`)).json.changes.at(-1).reason).toBe("offer-expired");
    expect((await step(vera, `${path}/${third}`, "confirm")).json.state).toBe("confirmed");
    expect((await step(boris, `${path}/${second}`, "confirm")).status).toBe(409);
  });

  test("a mailed link takes the seat that is offered, once and for all; its page says so in two languages", async () => {
    const { path } = await makeEvent({ capacity: 1, confirmByLink: true, offerSeconds: 3600 });
    const { id, state } = (await register(anna, path)).json;
    expect(state).toBe("offered");
    const token = "x".repeat(43);
    const tokenHash = new Bun.CryptoHasher("sha256").update(token).digest("hex");
    expect(await setConfirmToken(system.db, { id, tokenHash })).toBe(1);
    const confirm = (given: string) => system.call("POST", "/v1/registrations/confirm", { body: { token: given } });
    expect((await confirm("y".repeat(43))).status).toBe(410);
    for (let time = 0; time < 2; time++) expect((await confirm(token)).json.state).toBe("confirmed");
    await step(anna, `${path}/${id}`, "cancel");
    expect((await confirm(token)).status).toBe(410);
    const page = await system.call("GET", "/confirm", { headers: { "accept-language": "ru" } });
    expect([page.headers.get("content-language"), page.text.includes("Занять место")]).toEqual(["ru", true]);
  });

  test("organizers approve and decline; who was declined cannot register again", async () => {
    const { path } = await makeEvent({ capacity: 1, approval: "hand" });
    const [first, second, third] = await Promise.all([anna, boris, vera].map((user) => register(user, path)));
    expect([first?.json.state, second?.json.state]).toEqual(["pending", "pending"]);
    expect((await step(organizer, `${path}/${first?.json.id}`, "approve")).json.state).toBe("confirmed");
    expect((await step(organizer, `${path}/${second?.json.id}`, "approve")).json.state).toBe("waitlisted");
    const declined = await step(organizer, `${path}/${third?.json.id}`, "decline", { note: "Too young" });
    expect(declined.json.changes.at(-1)).toMatchObject({ to: "declined", note: "Too young", by: "organizer" });
    const again = await register(vera, path);
    expect([again.status, again.json.reason]).toEqual([409, "declined"]);
    // Whoever was declined by mistake is taken in after all.
    expect((await step(organizer, `${path}/${third?.json.id}`, "approve")).json.state).toBe("waitlisted");
  });

  test("lots are drawn among those who asked", async () => {
    const { path, slug, occurrenceId } = await makeEvent({ capacity: 1, approval: "lottery" });
    for (const user of [anna, boris, vera]) await register(user, path);
    const draw = { body: { occurrence: occurrenceId } };
    expect((await organizer.call("POST", `/v1/events/${slug}/draw`, draw)).json).toEqual({ seated: 1 });
    expect((await organizer.call("POST", `/v1/events/${slug}/draw`, draw)).json).toEqual({ seated: 0 });
    const { items } = (await organizer.call("GET", path)).json;
    expect(items.map(({ state }: { state: string }) => state).sort()).toEqual([
      "confirmed",
      "waitlisted",
      "waitlisted",
    ]);
  });

  test("closed, cancelled and past events say so", async () => {
    const cases = [
      ["opens_at = now() + interval '1 hour'", "not-open"],
      ["closes_before_seconds = 200000", "closed"],
      ["state = 'cancelled'", "cancelled"],
    ];
    for (const [change, reason] of cases) {
      const { path, eventId } = await makeEvent({ capacity: 1 });
      await system.db.query({ name: "", text: `update event.event set ${change} where id = $1`, values: [eventId] });
      const refused = await register(anna, path);
      expect([refused.status, refused.json.reason]).toEqual([409, reason]);
    }
  });
});

test("questions are asked, and answers checked", async () => {
  const questions = [
    { id: "nick", label: { ru: "Ник" }, kind: "text", required: true },
    { id: "team", label: { en: "Team" }, kind: "choice", options: ["red", "blue"] },
    { id: "adult", label: { en: "Adult" }, kind: "boolean" },
  ];
  const { path, occurrenceId } = await makeEvent({ capacity: 5, questions });
  const refused = await register(anna, path, { answers: { team: "green", adult: "yes", shoe: "43" } });
  expect(refused.status).toBe(422);
  expect(refused.json.errors.map(({ pointer }: { pointer: string }) => pointer).sort()).toEqual([
    "/answers/adult",
    "/answers/nick",
    "/answers/shoe",
    "/answers/team",
  ]);
  const taken = await register(anna, path, { answers: { nick: '=HYPERLINK("http://x")', team: "red", adult: true } });
  expect(taken.status).toBe(201);
  const csv = await organizer.call("GET", `${path}.csv?occurrence=${occurrenceId}`);
  const other = await organizer.call("GET", `${path}.csv?occurrence=${Bun.randomUUIDv7()}`);
  expect(other.text.split("\r\n")).toEqual([expect.stringContaining("id,login"), ""]);
  expect(csv.headers.get("content-type")).toStartWith("text/csv");
  const [head, line] = csv.text.split("\r\n");
  expect(head).toBe("id,login,name,state,place,occurrence,startsAt,registeredAt,nick,team,adult");
  expect(line).toEndWith(`,"'=HYPERLINK(""http://x"")",red,true`);
});

test("a text that the database cannot keep is refused, and does not take those down who register at the same time", async () => {
  const questions = [{ id: "nick", label: { ru: "Ник" }, kind: "text", required: true }];
  const { path } = await makeEvent({ capacity: 5, questions });
  const nicks = ["a\0b", "half \ud83d", "whole 🏰"];
  const answers = await Promise.all(
    [anna, boris, vera].map((user, index) => register(user, path, { answers: { nick: nicks[index] } })),
  );
  expect(answers.map(({ status }) => status)).toEqual([422, 422, 201]);
});

test("a hidden event tells strangers nothing of its questions", async () => {
  const questions = [{ id: "nick", label: { ru: "Ник" }, kind: "text", required: true }];
  const { path } = await makeEvent({ capacity: 5, questions, visibility: "members" });
  expect((await register(anna, path)).status).toBe(404);
  expect((await register(anna, path, { occurrence: Bun.randomUUIDv7() })).status).toBe(404);
  expect((await register(organizer, path)).status).toBe(422);
});

describe("checking in", () => {
  test("by a signed code, once; a changed code, or one of another event, is refused", async () => {
    const { path, slug } = await makeEvent({ capacity: 5 });
    const { id } = (await register(anna, path)).json;
    const shown = await anna.call("GET", `${path}/${id}/code`);
    expect(shown.json.svg).toStartWith("<svg");
    expect((await organizer.call("GET", `${path}/${id}/code`)).status).toBe(403);
    const scan = (code: string, user = organizer) =>
      user.call("POST", `/v1/events/${slug}/check-ins`, { body: { code } });
    expect((await scan(shown.json.code, boris)).status).toBe(403);
    const flipped = shown.json.code.replace(/.$/, (last: string) => (last === "A" ? "B" : "A"));
    for (const wrong of [flipped, id, "", `${Bun.randomUUIDv7()}.${shown.json.code.split(".")[1]}`])
      expect((await scan(wrong)).status).toBe(422);
    const other = await makeEvent({ capacity: 5 });
    const elsewhere = await organizer.call("POST", `/v1/events/${other.slug}/check-ins`, {
      body: { code: shown.json.code },
    });
    expect(elsewhere.status).toBe(422);
    for (let time = 0; time < 2; time++) expect((await scan(shown.json.code)).json.state).toBe("checked-in");
    const { changes } = (await anna.call("GET", `${path}/${id}`)).json;
    expect(changes.map(({ to }: { to: string }) => to)).toEqual(["confirmed", "checked-in"]);
    expect((await step(organizer, `${path}/${id}`, "undo")).json.state).toBe("confirmed");
    expect((await step(organizer, `${path}/${id}`, "no-show")).json.state).toBe("no-show");
  });

  test("by a game server that saw the player join, until its token is ended", async () => {
    const { path, slug, occurrenceId } = await makeEvent({ capacity: 1 });
    await register(anna, path);
    await register(boris, path);
    await begin(occurrenceId, "10 minutes");
    const servers = `/v1/events/${slug}/servers`;
    const { token, id } = (await organizer.call("POST", servers, { body: { name: "survival" } })).json;
    const join = (login: string, given = token) =>
      system.call("POST", `/v1/events/${slug}/joins`, { body: { token: given, login } });
    expect((await join("Anna")).json).toEqual({ state: "checked-in", changed: true });
    expect((await join("anna")).json).toEqual({ state: "checked-in", changed: false });
    expect((await join("boris")).json).toEqual({ state: "waitlisted", changed: false });
    expect((await join("vera")).status).toBe(404);
    expect((await join("anna", `${token.slice(0, -4)}AAAA`)).status).toBe(401);
    expect((await organizer.call("GET", servers)).json.items[0].usedAt).not.toBeNull();
    expect((await organizer.call("DELETE", `${servers}/${id}`)).status).toBe(204);
    expect((await join("anna")).status).toBe(401);
  });

  test("a join is of the date that is on, or begins within the hour: not of one far ahead, nor of a seat that was given up", async () => {
    const { path, slug, eventId, occurrenceId } = await makeEvent({ capacity: 5 });
    await register(anna, path);
    const { token } = (await organizer.call("POST", `/v1/events/${slug}/servers`, { body: { name: "s" } })).json;
    const join = () => system.call("POST", `/v1/events/${slug}/joins`, { body: { token, login: "anna" } });
    await begin(occurrenceId, "2 hours");
    expect((await join()).status).toBe(404);
    const given = Bun.randomUUIDv7();
    await run(system.db, {
      name: "test_earlier_date",
      text: `with o as (insert into event.occurrence (id, event_id, recurs_at, starts_at, ends_at)
          values ($1, $2, now() - interval '2 hours', now() - interval '2 hours', now() + interval '10 minutes') returning id)
        insert into event.registration (id, occurrence_id, user_id, state) select gen_random_uuid(), o.id, u.id, 'cancelled' from o, account."user" u where u.login = 'anna'`,
      values: [given, eventId],
    });
    await begin(occurrenceId, "59 minutes");
    expect((await join()).json).toEqual({ state: "checked-in", changed: true });
  });
});

describe("who may do what", () => {
  test("one person registers so often a minute, and others are not held up by him", async () => {
    const { path } = await makeEvent({ capacity: 5 });
    const busy = await system.signUp("busy");
    const statuses: number[] = [];
    // Each API process counts by itself.
    while (statuses.at(-1) !== 429 && statuses.length < 400) statuses.push((await register(busy, path)).status);
    expect([statuses[0], statuses[1], statuses.at(-1)]).toEqual([201, 200, 429]);
    expect((await register(vera, path)).status).toBe(201);
  });

  test("registrations for events of somebody who is gone are listed no more", async () => {
    const { path, slug } = await makeEvent({ capacity: 5 });
    await register(vera, path);
    const listed = async () =>
      (await vera.call("GET", "/v1/me/registrations?limit=100")).json.items.map(
        ({ event }: { event: string }) => event,
      );
    const hide = (at: string) =>
      run(system.db, {
        name: `test_hide_${at}`,
        text: `update account."user" set deleted_at = ${at} where login = 'organizer'`,
        values: [],
      });
    expect(await listed()).toContain(slug);
    await hide("now()");
    expect(await listed()).not.toContain(slug);
    await hide("null");
    expect(await listed()).toContain(slug);
  });

  test("a registration is its person's and the organizers'; an event for members is there for nobody else", async () => {
    const { path, slug, occurrenceId } = await makeEvent({ capacity: 9, visibility: "members" });
    const open = await makeEvent({ capacity: 9 });
    const { id } = (await register(anna, open.path)).json;
    const callers: [string, Call][] = [
      ["nobody", system.call],
      ["stranger", boris.call],
      ["person", anna.call],
      ["organizer", organizer.call],
    ];
    const own = `${open.path}/${id}`;
    const base = `/v1/events/${open.slug}`;
    const cases: [method: string, path: string, body: unknown, expected: number[]][] = [
      ["POST", path, {}, [401, 404, 404, 201]],
      ["GET", path, undefined, [401, 404, 404, 200]],
      ["GET", `${path}.csv`, undefined, [401, 404, 404, 200]],
      ["POST", `/v1/events/${slug}/draw`, { occurrence: occurrenceId }, [401, 404, 404, 200]],
      ["GET", own, undefined, [401, 404, 200, 200]],
      ["GET", open.path, undefined, [401, 403, 403, 200]],
      ["GET", `${open.path}.csv`, undefined, [401, 403, 403, 200]],
      ["GET", `${own}/code`, undefined, [401, 404, 200, 403]],
      ["POST", `${own}/approve`, {}, [401, 404, 403, 409]],
      ["POST", `${own}/check-in`, {}, [401, 404, 403, 200]],
      ["POST", `${own}/undo`, {}, [401, 404, 403, 200]],
      ["POST", `${base}/check-ins`, { code: "x.y" }, [401, 403, 403, 422]],
      ["GET", `${base}/servers`, undefined, [401, 403, 403, 200]],
      ["POST", `${base}/servers`, { name: "s" }, [401, 403, 403, 201]],
      ["DELETE", `${base}/servers/${id}`, undefined, [401, 403, 403, 404]],
      ["POST", `${base}/draw`, { occurrence: occurrenceId }, [401, 403, 403, 404]],
      ["GET", `/v1/events/${slug}/registrations/${id}`, undefined, [401, 404, 404, 404]],
    ];
    for (const [method, target, body, expected] of cases) {
      const got: number[] = [];
      for (const [, call] of callers) got.push((await call(method, target, { body })).status);
      expect([method, target, got]).toEqual([method, target, expected]);
    }
    const mine = (await anna.call("GET", "/v1/me/registrations")).json.items;
    expect(mine.map(({ event }: { event: string }) => event)).toContain(open.slug);
    expect(mine.map(({ event }: { event: string }) => event)).not.toContain(slug);
  });
});
