import { insertActivity } from "../../db/activity.ts";
import { lockOrganization, lockOrganizationById } from "../../db/organization.ts";
import { findOwner, shareUser } from "../../db/organization-member.ts";
import {
  findTransfer,
  insertTransfer,
  listTransfersTo,
  passOwnership,
  settleTransfer,
  type TransferRow,
} from "../../db/organization-transfer.ts";
import { insertFact } from "../../db/outbox.ts";
import { isDuplicate } from "../../db/query.ts";
import type { Deps } from "../../deps.ts";
import { Fault } from "../../fault.ts";
import { confirmCaller } from "../sessions/service.ts";
import type { Caller } from "../tokens.ts";
import type { Transfer } from "./model.ts";
import { getOrganization, hasRole, lockOrganizationAs } from "./standing.ts";

type Parts = Pick<Deps, "db">;
type Which = { caller: Caller; slug: string };
const mostShown = 100;

/** Offers ownership to somebody; it passes when he accepts. 409 while another offer stands. */
export async function offerOwnership(
  { db }: Parts,
  { caller, slug, login }: Which & { login: string },
): Promise<Transfer> {
  try {
    return await db.transaction(async (tx) => {
      const { id: organizationId } = await lockOrganizationAs(tx, { slug, caller, role: "owner" });
      const heir = await shareUser(tx, login.toLowerCase());
      if (!heir) throw new Fault("invalid", `There is nobody called ${login} here`);
      const owner = await findOwner(tx, organizationId);
      if (!owner || owner.userId === heir.id) throw new Fault("conflict", `"${login}" owns "${slug}" already`);
      const id = Bun.randomUUIDv7();
      await insertTransfer(tx, { id, organizationId, fromId: owner.userId, toId: heir.id });
      const payload = { organizationId, transferId: id, userId: heir.id };
      await insertFact(tx, { kind: "organization.transfer-offered", payload });
      await insertActivity(tx, {
        userId: caller.userId,
        kind: "ownership-offered",
        subject: `${slug}: ${heir.login}`,
      });
      const made = await findTransfer(tx, slug);
      if (!made) throw new Error("the transfer returned no row");
      return describeTransfer(made);
    });
  } catch (error) {
    if (!isDuplicate(error)) throw error;
    throw new Fault("conflict", `Cannot offer "${slug}": another offer stands. Withdraw it first`, { cause: error });
  }
}

/** The offer that stands, for the owner and for whom it is made to. */
export async function getTransfer({ db }: Parts, which: Which): Promise<Transfer> {
  return describeTransfer(await requireTransfer({ db }, which));
}

export async function listOwnTransfers({ db }: Parts, caller: Caller): Promise<Transfer[]> {
  return (await listTransfersTo(db, { userId: caller.userId, limit: mostShown })).map(describeTransfer);
}

/** Takes an offer back. */
export async function withdrawTransfer({ db }: Parts, { caller, slug }: Which): Promise<void> {
  await db.transaction(async (tx) => {
    await lockOrganizationAs(tx, { slug, caller, role: "owner" });
    const transfer = await findTransfer(tx, slug);
    if (!transfer) throw noTransfer(slug);
    await settleTransfer(tx, { id: transfer.id, outcome: "withdrawn" });
  });
}

/** Becomes the owner; who was it stays as a manager. */
export async function acceptTransfer({ db }: Parts, { caller, slug }: Which): Promise<void> {
  await db.transaction(async (tx) => {
    await confirmCaller(tx, caller);
    await lockOrganization(tx, slug);
    const transfer = await findTransfer(tx, slug);
    if (transfer?.toId !== caller.userId) throw noTransfer(slug);
    await settleTransfer(tx, { id: transfer.id, outcome: "accepted" });
    if ((await passOwnership(tx, transfer)) === 0)
      throw new Fault("conflict", `Cannot take over "${slug}": who offered it owns it no more`);
    await insertActivity(tx, { userId: caller.userId, kind: "ownership-accepted", subject: slug });
  });
}

export async function declineTransfer({ db }: Parts, { caller, slug }: Which): Promise<void> {
  await db.transaction(async (tx) => {
    await confirmCaller(tx, caller);
    const transfer = await findTransfer(tx, slug);
    if (transfer?.toId !== caller.userId) throw noTransfer(slug);
    await lockOrganizationById(tx, transfer.organizationId);
    if ((await settleTransfer(tx, { id: transfer.id, outcome: "declined" })) === 0) throw noTransfer(slug);
  });
}

async function requireTransfer({ db }: Parts, { caller, slug }: Which): Promise<TransferRow> {
  const transfer = await findTransfer(db, slug);
  if (transfer?.toId === caller.userId) return transfer;
  const row = await getOrganization({ db }, { slug, caller });
  if (!transfer || !hasRole(row, "owner")) throw noTransfer(slug);
  return transfer;
}

function noTransfer(slug: string): Fault {
  return new Fault("not-found", `There is no offer of the organization "${slug}" that you may see`);
}

function describeTransfer({ slug, name, fromLogin, toLogin, createdAt, expiresAt }: TransferRow): Transfer {
  return {
    organization: { slug, name },
    from: fromLogin,
    to: toLogin,
    createdAt: createdAt.toISOString(),
    expiresAt: expiresAt.toISOString(),
  };
}
