import { Elysia } from "elysia";
import type { Api } from "../api.ts";
import { callers, requireCaller, requireRole } from "../caller.ts";
import { describe } from "../describe.ts";
import { answerOnce } from "../idempotency.ts";
import { toViewer } from "../images/viewer.ts";
import { linkNext } from "../pages.ts";
import { follow, pageFollows, unfollow } from "./following.ts";
import {
  FiledReport,
  FiledReports,
  FollowParams,
  Follows,
  NewReport,
  PagedQuery,
  Report,
  ReportAnswer,
  ReportParams,
  ReportQuery,
  Reports,
} from "./model.ts";
import { answerReport, fileReport, pageOwnReports, pageReports } from "./reports.ts";

/** Following, and reports of abuse. */
export function community(api: Api) {
  return new Elysia({ tags: ["community"] })
    .use(callers(api))
    .onBeforeHandle(({ set }) => {
      set.headers["cache-control"] = "private, no-store";
    })
    .get(
      "/v1/me/following",
      async ({ query, caller, request, set }) => {
        const page = await pageFollows(api, { caller: requireCaller(caller), ...query });
        Object.assign(set.headers, linkNext(request, page.nextCursor));
        return page;
      },
      { query: PagedQuery, response: { 200: Follows }, detail: { summary: "What you follow and may see" } },
    )
    .put(
      "/v1/me/following/:kind/:id",
      async ({ params, caller, set, status }) => {
        const signedIn = requireCaller(caller);
        const perMinute = api.config.LIMIT_FOLLOWS_PER_MINUTE;
        await api.rateLimits.take([{ name: "follows", perMinute, key: signedIn.userId }], set.headers);
        await follow(api, { caller: signedIn, ...params });
        return status(204, undefined);
      },
      { params: FollowParams, detail: { summary: "Follow a pack, an organization or an organizer" } },
    )
    .delete(
      "/v1/me/following/:kind/:id",
      async ({ params, caller, status }) => {
        await unfollow(api, { caller: requireCaller(caller), ...params });
        return status(204, undefined);
      },
      { params: FollowParams, detail: { summary: "Follow it no longer" } },
    )
    .post(
      "/v1/reports",
      async ({ body, caller, request, set }) => {
        const signedIn = requireCaller(caller);
        const perMinute = api.config.LIMIT_REPORTS_PER_MINUTE;
        await api.rateLimits.take([{ name: "reports", perMinute, key: signedIn.userId }], set.headers);
        return answerOnce({ db: api.db, request, caller: signedIn, body }, async () => {
          const viewer = toViewer(api, { caller: signedIn, request });
          return { status: 201, body: await fileReport(api, { caller: signedIn, viewer, report: body }) };
        });
      },
      { body: NewReport, detail: { summary: "Report abuse to the admins", responses: describe({ 201: Report }) } },
    )
    .get(
      "/v1/me/reports",
      async ({ query, caller, request, set }) => {
        const page = await pageOwnReports(api, { caller: requireCaller(caller), ...query });
        Object.assign(set.headers, linkNext(request, page.nextCursor));
        return page;
      },
      { query: PagedQuery, response: { 200: Reports }, detail: { summary: "What you reported, and the answers" } },
    )
    .get(
      "/v1/ops/reports",
      async ({ query, caller, request, set }) => {
        requireRole(caller, "admin");
        const page = await pageReports(api, query);
        Object.assign(set.headers, linkNext(request, page.nextCursor));
        return page;
      },
      { query: ReportQuery, response: { 200: FiledReports }, detail: { summary: "Reports of abuse, for admins" } },
    )
    .patch(
      "/v1/ops/reports/:id",
      ({ params: { id }, body, caller, request }) =>
        answerReport(api, { caller: requireRole(caller, "admin"), request, id, ...body }),
      {
        params: ReportParams,
        body: ReportAnswer,
        response: { 200: FiledReport },
        detail: { summary: "Answer a report, for admins" },
      },
    );
}
