import { Type as t } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { insertActivity } from "../../db/activity.ts";
import type { Viewer } from "../../db/image.ts";
import { insertFact } from "../../db/outbox.ts";
import {
  findReport,
  findReportable,
  insertReport,
  listReports,
  listReportsOf,
  type ReportRow,
  type ReportState,
  settleReport,
} from "../../db/report.ts";
import type { Deps } from "../../deps.ts";
import { Fault } from "../../fault.ts";
import { noteAct } from "../audit.ts";
import { CursorId, readCursor, writeCursor } from "../pages.ts";
import { confirmCaller } from "../sessions/service.ts";
import type { Caller } from "../tokens.ts";
import type { FiledReport, NewReport, Report } from "./model.ts";

/** So many reports of one person may wait for an answer. */
const mostOpen = 50;
const Cursor = t.Tuple([CursorId]);

type Parts = Pick<Deps, "db">;
type Filing = { caller: Caller; viewer: Viewer; report: NewReport };

/** Reports something that the caller may see. 409 while his report of the same thing is open. */
export async function fileReport({ db }: Parts, { caller, viewer, report }: Filing): Promise<Report> {
  const { kind, id: subject, reason, text = "" } = report;
  const asId = Value.Check(CursorId, subject) ? subject : null;
  const subjectId = await findReportable(db, { kind, name: subject, id: asId, viewer });
  if (subjectId === undefined) throw new Fault("not-found", `There is no ${kind} "${subject}" that you may see`);
  const id = Bun.randomUUIDv7();
  const { userId } = caller;
  const filed = await db.transaction(async (tx) => {
    await confirmCaller(tx, caller);
    const row = { id, reporterId: userId, kind, subjectId, subject, reason, text, most: mostOpen };
    if ((await insertReport(tx, row)) === 0)
      throw new Fault("conflict", `Cannot report "${subject}": you have already, or ${mostOpen} others of yours wait`);
    await insertFact(tx, { kind: "report.filed", payload: { reportId: id } });
    await insertActivity(tx, { userId, kind: "reported", subject: `${kind} ${subject}` });
    return findReport(tx, id);
  });
  if (!filed) throw new Error("the report returned no row");
  return describeReport(filed);
}

type Paged = { limit?: number; cursor?: string };

/** The caller's own reports with what was answered, newest first. */
export async function pageOwnReports({ db }: Parts, { caller, limit = 50, cursor }: Paged & { caller: Caller }) {
  const before = readCursor(cursor, Cursor)?.[0] ?? null;
  const rows = await listReportsOf(db, { reporterId: caller.userId, before, limit: limit + 1 });
  return toPage(rows, { limit, describe: describeReport });
}

/** Reports in a state for admins, oldest first. */
export async function pageReports(
  { db }: Parts,
  { state = "open", limit = 50, cursor }: Paged & { state?: ReportState },
) {
  const after = readCursor(cursor, Cursor)?.[0] ?? null;
  return toPage(await listReports(db, { state, after, limit: limit + 1 }), { limit, describe: describeFiledReport });
}

type Answering = { caller: Caller; request: Request; id: string; state: ReportState; answer: string };

/** Answers a report, once. */
export async function answerReport(
  { db }: Parts,
  { caller, request, id, state, answer }: Answering,
): Promise<FiledReport> {
  return db.transaction(async (tx) => {
    await confirmCaller(tx, caller);
    const settled = await settleReport(tx, { id, state, answer, handledBy: caller.userId });
    const row = await findReport(tx, id);
    if (!row) throw new Fault("not-found", "There is no such report");
    if (settled === 0) throw new Fault("conflict", `Cannot answer: the report is ${row.state} already`);
    await insertFact(tx, { kind: "report.answered", payload: { reportId: id } });
    await noteAct(tx, { caller, request }, { action: "report.answered", subject: id, detail: { state } });
    await insertActivity(tx, {
      userId: caller.userId,
      kind: "report-answered",
      subject: `${row.kind} ${row.subject}: ${state}`,
    });
    return describeFiledReport(row);
  });
}

function toPage<Shown>(
  rows: ReportRow[],
  { limit, describe }: { limit: number; describe: (row: ReportRow) => Shown },
): { items: Shown[]; nextCursor: string | null } {
  const last = rows.length > limit ? rows[limit - 1] : undefined;
  return { items: rows.slice(0, limit).map(describe), nextCursor: last ? writeCursor([last.id]) : null };
}

function describeReport(row: ReportRow): Report {
  const { id, kind, subject, reason, text, state, answer } = row;
  return {
    id,
    kind,
    subject,
    reason,
    text,
    state,
    answer,
    createdAt: row.createdAt.toISOString(),
    settledAt: row.settledAt?.toISOString() ?? null,
  };
}

function describeFiledReport(row: ReportRow): FiledReport {
  const { subjectId, reporter, handledBy, sameSubject } = row;
  return { ...describeReport(row), subjectId, reporter, handledBy, sameSubject };
}
