import { doomHiddenUsers } from "../db/hidden-user.ts";
import {
  deleteOldFacts,
  type FactRow,
  insertDelivery,
  insertFact,
  listDueFacts,
  lockFact,
  postponeFact,
  settleFact,
} from "../db/outbox.ts";
import type { Deps } from "../deps.ts";
import type { Log } from "../log.ts";
import type { Handle } from "../queues/actor.ts";
import type { RelayFacts } from "../queues/relay-facts.ts";
import { makeTraceId, withTrace } from "../trace.ts";
import { type Receiver, receivers } from "./receivers.ts";

type Relay = Pick<Deps, "db" | "mailbox"> & { receivers: readonly Receiver[]; signal: AbortSignal; log: Log };

const factsAtOnce = 100;
const usersAtOnce = 100;
const keptDays = 30;

/** States that the time of hidden accounts is over, then tells what waits to be told until nothing does. */
export const handle: Handle<RelayFacts, "db" | "mailbox"> = async ({ deps: { db, mailbox }, signal, log }) => {
  await stateDeletions(db);
  const told = await relayFacts({ db, mailbox, receivers, signal, log });
  await deleteOldFacts(db, { afterDays: keptDays });
  return { told };
};

/** In one transaction the account cannot be had back any more, and everybody will be told so. */
async function stateDeletions(db: Deps["db"]): Promise<void> {
  for (;;) {
    const count = await db.transaction(async (tx) => {
      const ids = await doomHiddenUsers(tx, usersAtOnce);
      for (const userId of ids) await insertFact(tx, { kind: "user.deleted", payload: { userId } });
      return ids.length;
    });
    if (count < usersAtOnce) return;
  }
}

/** Delivers all facts that are due. Answers with how many were told to everybody. */
export async function relayFacts(relay: Relay): Promise<number> {
  let told = 0;
  for (;;) {
    const facts = await listDueFacts(relay.db, factsAtOnce);
    let settled = 0;
    for (const fact of facts) {
      relay.signal.throwIfAborted();
      // What follows from a fact belongs to the request that stated it.
      if (await withTrace({ id: fact.traceId ?? makeTraceId() }, () => tell(relay, fact))) settled += 1;
    }
    told += settled;
    // What another relay has, or what was put off, is left for a later run.
    if (facts.length < factsAtOnce || settled === 0) return told;
  }
}

async function tell({ db, mailbox, receivers, log }: Relay, fact: FactRow): Promise<boolean> {
  const concerned = receivers.filter(({ kind }) => kind === fact.kind);
  for (const receiver of concerned) {
    try {
      const { busy, sending } = await db.transaction(async (tx) => {
        if (!(await lockFact(tx, fact.id))) return { busy: true };
        const isNew = (await insertDelivery(tx, { factId: fact.id, receiver: receiver.name })) > 0;
        return { busy: false, sending: isNew ? await receiver.deliver(tx, fact.payload, fact) : undefined };
      });
      if (busy) return false; // another relay has it
      if (sending) await mailbox.send(sending.actor, sending.message);
    } catch (error) {
      // One receiver that cannot take it keeps it from nobody else.
      log.warn({ err: error, fact: fact.id, kind: fact.kind, receiver: receiver.name }, "a fact was not delivered");
    }
  }
  const names = concerned.map(({ name }) => name);
  if ((await settleFact(db, { id: fact.id, receivers: names })) > 0) return true;
  await postponeFact(db, fact.id);
  return false;
}
