import { findSubject, listOrganizationSubjects } from "../../db/analytics-subject.ts";
import type { Db } from "../../db/query.ts";
import { Fault } from "../../fault.ts";
import { requireCaller, toReader } from "../caller.ts";
import type { Caller } from "../tokens.ts";

/** Whose numbers are asked for. `ids`: what they are made of; null: everything on this server. */
export type Subject = { kind: string; name: string; id: string | null; ids: string[] | null };

/**
 * What "pack:SLUG", "event:SLUG", "organization:SLUG", "user:LOGIN" or "site" names, for those who run it and for operators. Faults:
 * not-found where the caller sees none, not-allowed where he only sees it.
 */
export async function getSubject(
  db: Db,
  { subject, caller }: { subject: string; caller: Caller | null },
): Promise<Subject> {
  const signedIn = requireCaller(caller);
  const isStaff = signedIn.roles.some((role) => role === "ops" || role === "admin");
  if (subject === "site") {
    if (!isStaff) throw new Fault("not-allowed", "Not allowed: numbers of the whole site are for operators");
    return { kind: "site", name: "", id: null, ids: null };
  }
  const [kind = "", name = ""] = subject.split(":");
  const row = await findSubject(db, { kind, name, reader: toReader(signedIn) });
  if (!row || !(row.isVisible || row.isMine || isStaff))
    throw new Fault("not-found", `There is no ${kind} "${name}" that you may see`);
  if (!row.isMine && !isStaff)
    throw new Fault("not-allowed", `Not allowed: numbers of the ${kind} "${name}" are for those who run it`);
  const ids = row.kind === "organization" ? await listOrganizationSubjects(db, row.id) : [row.id];
  return { kind: row.kind, name: row.name, id: row.id, ids };
}
