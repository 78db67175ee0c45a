import { Elysia } from "elysia";
import { isReport } from "../../db/analytics-report.ts";
import { listSchedules, replaceSchedules, type Schedule } from "../../db/analytics-schedule.ts";
import { findSubjectById } from "../../db/analytics-subject.ts";
import { Fault } from "../../fault.ts";
import type { Api } from "../api.ts";
import { callers, requireCaller } from "../caller.ts";
import type { Caller } from "../tokens.ts";
import { Schedules } from "./model.ts";
import { getReported } from "./report.ts";

/** Reports by mail: every Monday, or on the first of a month (UTC), to the caller's proved address. */
export function schedules({ db, ...api }: Api) {
  return new Elysia({ prefix: "/v1/me/analytics/reports", tags: ["analytics"] })
    .use(callers(api))
    .onBeforeHandle(({ set }) => {
      set.headers["cache-control"] = "private, no-store";
    })
    .get("", ({ caller }) => show(requireCaller(caller)), {
      response: { 200: Schedules },
      detail: { summary: "Reports that you get by mail" },
    })
    .put(
      "",
      async ({ body, caller }) => {
        const signedIn = requireCaller(caller);
        const wanted: Schedule[] = [];
        for (const { every, report, subject } of body.items) {
          const { kind, id } = await getReported(db, { report, subject, caller });
          if (id === null) throw new Fault("invalid", "Cannot mail numbers of the whole site: ask for them instead");
          wanted.push({ every, report, subjectKind: kind, subjectId: id });
        }
        await db.transaction((tx) => replaceSchedules(tx, { userId: signedIn.userId, schedules: wanted }));
        return show(signedIn);
      },
      { body: Schedules, response: { 200: Schedules }, detail: { summary: "Say which reports you get by mail" } },
    );

  /** Those of what he still runs. */
  async function show({ userId }: Caller): Promise<Schedules> {
    const items: Schedules["items"] = [];
    for (const { every, report, subjectKind: kind, subjectId: id } of await listSchedules(db, { userId })) {
      const subject = await findSubjectById(db, { kind, id, userId });
      if (subject?.isMine && isReport(report)) items.push({ every, report, subject: `${kind}:${subject.name}` });
    }
    return { items };
  }
}
