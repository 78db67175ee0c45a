import { Value } from "@sinclair/typebox/value";
import type { Db } from "../db/query.ts";
import type { Message } from "../queues/actor.ts";
import { EraseUser, eraseUser } from "../queues/erase-user.ts";
import { LeaveEvents, leaveEvents } from "../queues/leave-events.ts";
import { want } from "../queues/mailbox.ts";
import { notify } from "../queues/notify.ts";
import { notifiedFacts } from "./notification-plans.ts";

/** A message to be sent when the delivery has committed; one that gets lost is sent again by `resend-stuck`. */
export type Sending = { actor: string; message: Message };

/**
 * Somebody who is told facts of one kind. `deliver` runs in the transaction that notes the delivery, so that its effect
 * happens once: whatever is not a row of the database is wished for there, as a job.
 */
export type Receiver = {
  /** Of its deliveries; never used for another. */
  name: string;
  kind: string;
  deliver: (tx: Db, payload: unknown, fact: { id: string }) => Promise<Sending | undefined>;
};

/** Everybody who is told something. */
export const receivers: readonly Receiver[] = [
  {
    name: "erase-user",
    kind: "user.deleted",
    deliver: async (tx, payload) => ({
      actor: eraseUser.name,
      message: await want(tx, eraseUser, { payload: Value.Parse(EraseUser, payload) }),
    }),
  },
  ...notifiedFacts.map(
    (kind): Receiver => ({
      name: "notify",
      kind,
      deliver: async (tx, _payload, { id: factId }) => ({
        actor: notify.name,
        message: await want(tx, notify, { payload: { factId } }),
      }),
    }),
  ),
  {
    name: "leave-events",
    kind: "user.hidden",
    deliver: async (tx, payload) => ({
      actor: leaveEvents.name,
      message: await want(tx, leaveEvents, { payload: Value.Parse(LeaveEvents, payload) }),
    }),
  },
];
