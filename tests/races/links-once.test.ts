import { afterAll, beforeAll, expect, test } from "bun:test";
import { insertUser } from "../../db/account.ts";
import { insertLink, useLinks, verifyEmail } from "../../db/mail-link.ts";
import { isDuplicate } from "../../db/query.ts";
import type { Deps } from "../../deps.ts";
import { long, openTestDeps } from "../harness.ts";
import { meet } from "./meet.ts";

const rounds = long ? 200 : 20;
const atOnce = 8;
let deps: Deps;
beforeAll(async () => {
  deps = await openTestDeps();
});
afterAll(() => deps?.close());

async function arrangeUser(): Promise<string> {
  const id = Bun.randomUUIDv7();
  await insertUser(deps.db, { id, login: `u-${id}`, email: null, passwordHash: "", roles: [] });
  return id;
}

test("of many who use a user's links at the same moment one gets them, whichever link each has", async () => {
  for (let round = 0; round < rounds; round++) {
    const userId = await arrangeUser();
    const links = [Bun.randomUUIDv7(), Bun.randomUUIDv7()];
    for (const id of links)
      await insertLink(deps.db, { id, tokenHash: id, userId, purpose: "reset", email: "", lifetimeSeconds: 60 });
    const ready = meet(atOnce);
    const got = await Promise.all(
      Array.from({ length: atOnce }, () =>
        deps.db.transaction(async (tx) => {
          await ready();
          return useLinks(tx, { userId, purpose: "reset" });
        }),
      ),
    );
    expect(got.filter((ids) => ids.length > 0).map((ids) => ids.toSorted())).toEqual([links.toSorted()]);
  }
});

test("of many who prove one address at the same moment one gets it", async () => {
  for (let round = 0; round < rounds; round++) {
    const users: string[] = [];
    for (let index = 0; index < atOnce; index++) users.push(await arrangeUser());
    const email = `${users[0]}@mail.example`;
    const ready = meet(atOnce);
    const outcomes = await Promise.all(
      users.map((userId) =>
        deps.db
          .transaction(async (tx) => {
            await ready();
            return verifyEmail(tx, { userId, email });
          })
          .then(
            () => "proved",
            (error) => (isDuplicate(error) ? "taken" : String(error)),
          ),
      ),
    );
    expect(outcomes.sort()).toEqual(["proved", ...Array(atOnce - 1).fill("taken")]);
  }
});
