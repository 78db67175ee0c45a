import { type ReportName, reports } from "../../db/analytics-report.ts";
import { findAsOf } from "../../db/analytics-rollup.ts";
import type { Db } from "../../db/query.ts";
import { Fault } from "../../fault.ts";
import type { Caller } from "../tokens.ts";
import type { Report } from "./model.ts";
import { readRange } from "./query.ts";
import { getSubject, type Subject } from "./subject.ts";

type Asked = { report: ReportName; subject: string; from?: string; to?: string; caller: Caller | null };

/** A ready report about a subject of the caller's; 30 days when no others are named. */
export async function report(db: Db, { report: name, subject, caller, ...times }: Asked): Promise<Report> {
  const { ids } = await getReported(db, { report: name, subject, caller });
  const { from, to } = readRange(times);
  const asOf = await findAsOf(db);
  const table = await reports[name].read(db, { subjects: ids, from, to });
  return { report: name, subject, from: from.toISOString(), to: to.toISOString(), asOf: asOf.toISOString(), ...table };
}

/** What a report is about. Fault: malformed when there is none of this name about such a thing. */
export function getReported(
  db: Db,
  { report, subject, caller }: { report: ReportName; subject: string; caller: Caller | null },
): Promise<Subject> {
  const [kind = ""] = subject.split(":");
  const kinds: readonly string[] = reports[report].subjects;
  if (!kinds.includes(kind))
    throw new Fault("malformed", `Cannot report: the report "${report}" is about ${kinds.join(", ")}`, {
      errors: [{ parameter: "subject", detail: `must be about ${kinds.join(", ")}` }],
    });
  return getSubject(db, { subject, caller });
}
