import { afterAll, beforeAll, expect, test } from "bun:test";
import { insertUser } from "../../db/account.ts";
import { insertActivity } from "../../db/activity.ts";
import { insertDeviceGrant } from "../../db/device-grant.ts";
import { insertInvite } from "../../db/invite.ts";
import { insertMail } from "../../db/mail.ts";
import { insertLink } from "../../db/mail-link.ts";
import { insertOrganization } from "../../db/organization.ts";
import { insertInvitation } from "../../db/organization-invitation.ts";
import { keepFormerName } from "../../db/player.ts";
import { insertProviderFlow } from "../../db/provider-flow.ts";
import { insertRevocation } from "../../db/revocation.ts";
import { insertSession } from "../../db/session.ts";
import type { Deps } from "../../deps.ts";
import { handle } from "../../workers/sweep-accounts.ts";
import { openTestDeps } from "../harness.ts";
import { call, query } from "./arrange.ts";

let deps: Deps;
beforeAll(async () => {
  deps = await openTestDeps();
});
afterAll(() => deps?.close());

/** A row of each kind. */
async function arrange(userId: string): Promise<void> {
  const { db } = deps;
  const id = Bun.randomUUIDv7;
  const where = { kind: "web", salt: "", device: "", address: "", clientId: null, scopes: null } as const;
  await insertSession(db, { id: id(), userId, ...where, fresh: true, lifetimeSeconds: 3600, passwordChanges: null });
  await insertRevocation(db, { kind: "session", subject: id(), ver: null });
  await insertDeviceGrant(db, {
    id: id(),
    deviceHash: id(),
    userCodeHash: id(),
    clientId: "launcher",
    scopes: [],
    device: "",
    address: "",
    intervalSeconds: 5,
    lifetimeSeconds: 600,
  });
  await insertLink(db, {
    id: id(),
    tokenHash: id(),
    userId,
    purpose: "reset",
    email: "a@b.example",
    lifetimeSeconds: 60,
  });
  await insertMail(db, { id: id(), kind: "verify", recipient: "a@b.example", locale: "en", params: { userId } });
  await query(
    deps,
    `insert into notification.notification (id, fact_id, fact_at, user_id, kind, reason, group_key, critical, shown) values ($1, $1, now(), $2, 'test', 'asked', '', true, true)`,
    [id(), userId],
  );
  await insertActivity(db, { userId, kind: "signed-in" });
  const flow = { provider: "there", purpose: "sign-in", userId: null, sessionId: null, returnTo: "/" } as const;
  await insertProviderFlow(db, { ...flow, stateHash: id(), bindingHash: id() }, 600);
  await insertInvite(db, { id: id(), codeHash: id(), note: "", createdBy: userId, lifetimeDays: 1 });
  const organization = { id: id(), slug: id(), name: "a", description: {}, links: {}, visibility: "public" } as const;
  await insertOrganization(db, { ...organization, ownerId: userId });
  const invitation = { id: id(), organizationId: organization.id, role: "member", userId, tokenHash: null } as const;
  await insertInvitation(db, { ...invitation, createdBy: userId, expiresAt: undefined, maxUses: 1 });
  await keepFormerName(db, { name: id(), userId, days: 1, most: 10 });
}

test("what is old is forgotten, what is not is kept", async () => {
  const user = { id: Bun.randomUUIDv7(), login: "somebody", email: null, passwordHash: "", roles: [] };
  await insertUser(deps.db, user);
  const kinds = {
    sessions: 1,
    revocations: 1,
    "device grants": 1,
    "sign-ins through providers": 1,
    "authorization codes": 0,
    activity: 1,
    links: 1,
    mails: 1,
    notifications: 1,
    invites: 1,
    invitations: 1,
    "names of players": 1,
    "players on their way into servers": 0,
  };
  await arrange(user.id);
  const none = Object.fromEntries(Object.keys(kinds).map((kind) => [kind, 0]));
  expect(await call(handle, deps, { scope: "all" })).toEqual(none);
  for (const statement of [
    `update account.session set expires_at = now() - interval '91 days'`,
    `update account.revocation set revoked_at = now() - interval '3 hours'`,
    `update account.device_grant set expires_at = now() - interval '2 hours'`,
    `update account.provider_flow set expires_at = now() - interval '1 second'`,
    `update account.activity set created_at = now() - interval '366 days'`,
    `update account.mail_link set expires_at = now() - interval '8 days'`,
    `update mail.mail set created_at = now() - interval '8 days'`,
    `update notification.notification set created_at = now() - interval '181 days'`,
    `update account.invite set expires_at = now() - interval '91 days'`,
    `update organization.invitation set expires_at = now() - interval '91 days'`,
    `update player.former_name set free_at = now() - interval '1 second'`,
  ])
    await query(deps, statement);
  await arrange(user.id);
  expect(await call(handle, deps, { scope: "all" })).toEqual(kinds);
  expect(await call(handle, deps, { scope: "all" })).toEqual(none);
});
