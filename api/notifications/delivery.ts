import type { DeliveryRow } from "../../db/delivery-log.ts";
import type { Delivery } from "./model.ts";

/** A delivery as its log shows it. */
export function describeDelivery(row: DeliveryRow): typeof Delivery.static {
  const { id, kind, medium, targetId, state, why, digest, attempts, status } = row;
  return {
    id,
    kind,
    medium,
    targetId,
    state,
    why,
    digest,
    dueAt: row.dueAt.toISOString(),
    attempts,
    status,
    createdAt: row.createdAt.toISOString(),
    settledAt: row.settledAt?.toISOString() ?? null,
  };
}
