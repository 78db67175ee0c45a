import { timingSafeEqual } from "node:crypto";
import type { Seal } from "../../seal.ts";

const hourMs = 3_600_000;
const form = /^([0-9a-f-]{36})\.(\d{1,9})\.([A-Za-z0-9_-]{43})$/;

/**
 * A part of an address that opens the zips of one version for one to two hours: launchers download private packs without
 * header, cookie or query. The same within an hour, so that the answers that hold it stay the same.
 */
export function makeTicket(seal: Seal, versionId: string): string {
  const untilHour = Math.floor(Date.now() / hourMs) + 2;
  return `${versionId}.${untilHour}.${sign(seal, { versionId, untilHour })}`;
}

/** The version that a ticket is for; undefined when it is not from here, or its time is over. */
export function readTicket(seal: Seal, ticket: string): string | undefined {
  const [, versionId = "", hour = "", given = ""] = form.exec(ticket) ?? [];
  const untilHour = Number(hour);
  if (given === "" || untilHour * hourMs <= Date.now()) return undefined;
  const right = sign(seal, { versionId, untilHour });
  return timingSafeEqual(Buffer.from(given), Buffer.from(right)) ? versionId : undefined;
}

const sign = (seal: Seal, { versionId, untilHour }: { versionId: string; untilHour: number }) =>
  seal.derive("solder ticket", `${versionId} ${untilHour}`);
