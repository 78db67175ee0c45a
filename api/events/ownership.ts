import type { EventRow } from "../../db/event.ts";
import type { Db } from "../../db/query.ts";
import { Fault } from "../../fault.ts";
import { takeIn } from "../packs/ownership.ts";
import type { Caller } from "../tokens.ts";

/** Whoever may run events of his own. */
export function requireOwnEvents(caller: Caller): void {
  if (caller.roles.some((role) => role === "organizer" || role === "admin")) return;
  throw new Fault(
    "not-allowed",
    "Cannot have an event of your own: this needs the role organizer, or an organization that you manage",
  );
}

type Move = { event: EventRow; caller: Caller; organization: string | null };

/**
 * The organization that an event becomes one of, or null when the caller takes it out of one; undefined when it is so
 * already. Organizations are locked here, before the event's row.
 */
export async function planMove(
  tx: Db,
  { event, caller, organization }: Move,
): Promise<{ organizationId: string | null } | undefined> {
  if (organization === event.organizationSlug) return undefined;
  if (event.sourceId !== null)
    throw new Fault("conflict", `Cannot move "${event.slug}": it follows a source of its organization. End that first`);
  if (event.organizationSlug !== null) await takeIn(tx, { organization: event.organizationSlug, caller });
  if (organization === null) requireOwnEvents(caller);
  return { organizationId: organization === null ? null : await takeIn(tx, { organization, caller }) };
}
