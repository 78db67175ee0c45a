import type { Fact } from "../facts.ts";
import { currentTrace } from "../trace.ts";
import { type Db, many, one, run } from "./query.ts";

/** Something that has happened, as other modules are told of it: a kind and ids. */
export type FactRow = { id: string; kind: string; payload: unknown; traceId: string | null };

/** States a fact in the transaction that makes it true; the relay tells it to every receiver. */
export function insertFact(tx: Db, fact: Fact): Promise<number> {
  return insertFacts(tx, [fact]);
}

/** The same for many at once. */
export function insertFacts(tx: Db, facts: readonly Fact[]): Promise<number> {
  return run(tx, {
    name: "fact_insert",
    text: `insert into outbox.fact (id, kind, payload, trace_id)
      select id, kind, payload, $2 from jsonb_to_recordset($1::jsonb) as fact (id uuid, kind text, payload jsonb)`,
    values: [JSON.stringify(facts.map((fact) => ({ id: Bun.randomUUIDv7(), ...fact }))), currentTrace()?.id ?? null],
  });
}

/**
 * Facts that are due, those of other relays left out. By what is waiting, never by an id that was read last: ids commit
 * out of order.
 */
export function listDueFacts(db: Db, limit: number): Promise<FactRow[]> {
  return many<FactRow>(db, {
    name: "fact_list_due",
    text: `select id, kind, payload, trace_id as "traceId" from outbox.fact where relayed_at is null and due_at <= now()
      order by due_at limit $1 for update skip locked`,
    values: [limit],
  });
}

/** A fact by its id, told or not. */
export function findFact(db: Db, id: string): Promise<(FactRow & { statedAt: Date }) | undefined> {
  return one<FactRow & { statedAt: Date }>(db, {
    name: "fact_find",
    text: `select id, kind, payload, trace_id as "traceId", created_at as "statedAt" from outbox.fact where id = $1`,
    values: [id],
  });
}

/** Locks a fact that waits until the transaction ends. Undefined when another relay has it, or it was told to all. */
export function lockFact(tx: Db, id: string): Promise<{ id: string } | undefined> {
  return one<{ id: string }>(tx, {
    name: "fact_lock",
    text: `select id from outbox.fact where id = $1 and relayed_at is null for update skip locked`,
    values: [id],
  });
}

/** Notes that a receiver has a fact, in the transaction of its effect: 0 when it had it before. */
export function insertDelivery(tx: Db, { factId, receiver }: { factId: string; receiver: string }): Promise<number> {
  return run(tx, {
    name: "delivery_insert",
    text: `insert into outbox.delivery (fact_id, receiver) values ($1, $2) on conflict do nothing`,
    values: [factId, receiver],
  });
}

/** Settles a fact that all these receivers have; 0 when one has not. */
export function settleFact(db: Db, { id, receivers }: { id: string; receivers: string[] }): Promise<number> {
  return run(db, {
    name: "fact_settle",
    text: `update outbox.fact f set relayed_at = now() where f.id = $1 and f.relayed_at is null
      and not exists (select from unnest($2::text[]) r (name)
        where not exists (select from outbox.delivery d where d.fact_id = $1 and d.receiver = r.name))`,
    values: [id, receivers],
  });
}

/** Puts off a fact that a receiver could not take: twice as long each time, an hour at the most. */
export function postponeFact(db: Db, id: string): Promise<number> {
  return run(db, {
    name: "fact_postpone",
    text: `update outbox.fact set attempts = attempts + 1, due_at = now() + make_interval(secs => least(3600, power(2, least(attempts, 12))))
      where id = $1 and relayed_at is null`,
    values: [id],
  });
}

/** Forgets facts that everybody has had for long. */
export function deleteOldFacts(db: Db, { afterDays }: { afterDays: number }): Promise<number> {
  return run(db, {
    name: "fact_delete_old",
    text: `delete from outbox.fact where relayed_at < now() - make_interval(days => $1)`,
    values: [afterDays],
  });
}
