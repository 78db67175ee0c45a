import { afterAll, beforeAll, expect, test } from "bun:test";
import { createEvent } from "../../api/events/service.ts";
import { acceptLink, invite } from "../../api/organizations/invitations.ts";
import { removeMember } from "../../api/organizations/members.ts";
import { createOrganization, deleteOrganization } from "../../api/organizations/service.ts";
import { acceptTransfer, declineTransfer, offerOwnership, withdrawTransfer } from "../../api/organizations/transfer.ts";
import { createPack } from "../../api/packs/service.ts";
import type { Caller } from "../../api/tokens.ts";
import { insertUser } from "../../db/account.ts";
import { eraseMemberships } from "../../db/erase-community.ts";
import { hideUser } from "../../db/hidden-user.ts";
import { many, one } from "../../db/query.ts";
import type { Deps } from "../../deps.ts";
import { Fault } from "../../fault.ts";
import { long, openTestDeps } from "../harness.ts";

const rounds = long ? 200 : 25;
let deps: Deps;
let api: Deps & { publicUrl: () => string };
beforeAll(async () => {
  deps = await openTestDeps({ LIMIT_USER_ORGANIZATIONS: "3" });
  api = { ...deps, publicUrl: () => "http://chest.example" };
});
afterAll(() => deps?.close());

/** Somebody who signed in, as routes know him. */
async function arrive(): Promise<Caller> {
  const userId = Bun.randomUUIDv7();
  const login = `u-${userId}`.slice(0, 32);
  await insertUser(deps.db, { id: userId, login, email: null, passwordHash: "", roles: [] });
  return { userId, login, roles: [], ver: 0, sessionId: null, tokenId: null, scopes: null };
}

async function arrange() {
  const [owner, heir] = [await arrive(), await arrive()];
  const slug = `o-${Bun.randomUUIDv7()}`;
  await createOrganization(api, { caller: owner, organization: { slug, name: "Team" } });
  return { slug, owner, heir };
}

const offer = ({ slug, owner, heir }: Awaited<ReturnType<typeof arrange>>) =>
  offerOwnership(api, { caller: owner, slug, login: heir.login });

/** How something ended: "done", or the name of its fault. Anything else fails the test. */
const outcomeOf = (work: Promise<unknown>) =>
  work.then(
    () => "done",
    (error) => {
      if (error instanceof Fault) return error.code;
      throw error;
    },
  );

type State = { owners: string[]; members: number; open: number; gone: boolean };
const look = (slug: string) =>
  one<State>(deps.db, {
    name: "test_look",
    text: `select array(select m.user_id from organization.member m where m.organization_id = o.id and m.role = 'owner') as owners,
        (select count(*) from organization.member m where m.organization_id = o.id) as members,
        (select count(*) from organization.transfer t where t.organization_id = o.id and t.settled_at is null) as open,
        o.deleted_at is not null as gone
      from organization.organization o where o.slug = $1`,
    values: [slug],
  });

/** Does all at once, in another order each round. */
function atOnce<T>(round: number, works: (() => Promise<T>)[]): Promise<T[]> {
  const turned = works.map((_work, index) => (index + round) % works.length);
  const started: Promise<T>[] = [];
  for (const index of turned) {
    const work = works[index];
    if (work) started[index] = work();
  }
  return Promise.all(started);
}

test("of accepting, declining and withdrawing one happens, and there is one owner", async () => {
  const seen = new Set<string>();
  for (let round = 0; round < rounds; round++) {
    const team = await arrange();
    const { slug, owner, heir } = team;
    await offer(team);
    const [accepted, declined, withdrawn] = await atOnce(round, [
      () => outcomeOf(acceptTransfer(api, { caller: heir, slug })),
      () => outcomeOf(declineTransfer(api, { caller: heir, slug })),
      () => outcomeOf(withdrawTransfer(api, { caller: owner, slug })),
    ]);
    const outcomes = [accepted, declined, withdrawn];
    expect(outcomes.filter((outcome) => outcome === "done")).toHaveLength(1);
    // Who was the owner may not withdraw any more when the other was first.
    expect(outcomes.filter((outcome) => !["done", "not-found", "not-allowed"].includes(outcome ?? ""))).toEqual([]);
    const holder = accepted === "done" ? heir : owner;
    expect(await look(slug)).toMatchObject({ owners: [holder.userId], open: 0 });
    seen.add(String(outcomes.indexOf("done")));
  }
  expect(seen.size).toBeGreaterThan(1);
});

test("many who accept and offer at once leave one owner", async () => {
  for (let round = 0; round < rounds; round++) {
    const team = await arrange();
    const { slug, owner, heir } = team;
    const third = await arrive();
    await offer(team);
    await atOnce(round, [
      () => outcomeOf(acceptTransfer(api, { caller: heir, slug })),
      () => outcomeOf(acceptTransfer(api, { caller: heir, slug })),
      () => outcomeOf(offerOwnership(api, { caller: owner, slug, login: third.login })),
      () => outcomeOf(removeMember(api, { caller: owner, slug, userId: heir.userId })),
      () => outcomeOf(removeMember(api, { caller: owner, slug, userId: owner.userId })),
    ]);
    expect(await look(slug)).toMatchObject({ owners: [heir.userId] });
  }
});

test("an owner who is erased while his heir accepts, and others leave, leaves one owner or no organization", async () => {
  const seen = new Set<string>();
  for (let round = 0; round < rounds; round++) {
    const team = await arrange();
    const { slug, owner, heir } = team;
    const { link = "" } = await invite(api, { caller: owner, slug, invitation: { link: true, maxUses: 2 } });
    const token = link.split("#")[1] ?? "";
    const member = await arrive();
    if (round % 2 === 0) await acceptLink(api, { caller: member, token });
    await offer(team);
    await hideUser(deps.db, { id: owner.userId, eraseAfterDays: 0 });
    await atOnce(round, [
      () => outcomeOf(deps.db.transaction((tx) => eraseMemberships(tx, owner.userId))),
      () => outcomeOf(acceptTransfer(api, { caller: heir, slug })),
      () =>
        outcomeOf(
          round % 2 === 0
            ? removeMember(api, { caller: member, slug, userId: member.userId })
            : acceptLink(api, { caller: member, token }),
        ),
    ]);
    const state = await look(slug);
    expect(state?.owners).toHaveLength(state?.gone ? 0 : 1);
    expect(state?.owners).not.toContain(owner.userId);
    if (state?.gone) expect(state.members).toBe(0);
    seen.add(state?.gone ? "gone" : state?.owners[0] === heir.userId ? "heir" : "member");
  }
  expect(seen.size).toBeGreaterThan(1);
});

test("a link lets in no more than it says, however many follow it at once", async () => {
  const maxUses = 3;
  for (let round = 0; round < Math.ceil(rounds / 5); round++) {
    const { slug, owner } = await arrange();
    const { link = "" } = await invite(api, { caller: owner, slug, invitation: { link: true, maxUses } });
    const token = link.split("#")[1] ?? "";
    const guests = await Promise.all(Array.from({ length: 10 }, arrive));
    const outcomes = await Promise.all(guests.map((caller) => outcomeOf(acceptLink(api, { caller, token }))));
    expect(outcomes.sort()).toEqual([...Array(maxUses).fill("done"), ...Array(10 - maxUses).fill("invalid")]);
    expect((await look(slug))?.members).toBe(maxUses + 1);
  }
});

const event = {
  title: { en: "Opening" },
  place: { kind: "online", url: "https://play.example" },
  startsAt: "2031-05-01T18:00",
  endsAt: "2031-05-01T20:00",
  timeZone: "Europe/Berlin",
} as const;

test.each([
  ["a pack", (caller: Caller, slug: string) => createPack(api, { caller, slug, name: "Pack", organization: slug })],
  ["an event", (caller: Caller, slug: string) => createEvent(api, { caller, slug, organization: slug, ...event })],
])("an organization that is deleted while %s is made in it leaves nothing without an owner", async (_what, make) => {
  const seen = new Set<string>();
  // On until each was first once: a busy machine may favour one for a while.
  for (let round = 0; round < rounds || (seen.size < 2 && round < 50 * rounds); round++) {
    const { slug, owner } = await arrange();
    const [deleted, made] = await atOnce(round, [
      () => outcomeOf(deleteOrganization(api, { caller: owner, slug, revision: undefined, body: { slug } })),
      () => outcomeOf(make(owner, slug)),
    ]);
    // Who comes too late finds no organization, or one that has changed while he looked.
    if (deleted === "done") expect(["not-found", "invalid", "conflict"]).toContain(String(made));
    else expect([deleted, made]).toEqual(["conflict", "done"]);
    seen.add(String(deleted));
  }
  expect(seen.size).toBe(2);
  const lost = await many<{ slug: string }>(deps.db, {
    name: "test_lost_things",
    text: `select t.slug from (select slug, organization_id from pack.pack where deleted_at is null
        union all select slug, organization_id from event.event where deleted_at is null) t
      join organization.organization o on o.id = t.organization_id where o.deleted_at is not null`,
    values: [],
  });
  expect(lost).toEqual([]);
});

test("one person owns no more than he may, also when he makes many at once", async () => {
  const caller = await arrive();
  const outcomes = await Promise.all(
    Array.from({ length: 8 }, (_, index) =>
      outcomeOf(
        createOrganization(api, { caller, organization: { slug: `o-${caller.userId}-${index}`, name: "Team" } }),
      ),
    ),
  );
  expect(outcomes.sort()).toEqual([...Array(3).fill("done"), ...Array(5).fill("quota-exceeded")]);
});
