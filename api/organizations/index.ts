import { Elysia } from "elysia";
import type { OrganizationRow } from "../../db/organization.ts";
import type { Api } from "../api.ts";
import { callers, requireCaller } from "../caller.ts";
import { describe } from "../describe.ts";
import { isUnchanged, readRevision, requireRevision, shownTag } from "../etag.ts";
import { answerOnce } from "../idempotency.ts";
import { linkNext } from "../pages.ts";
import type { Caller } from "../tokens.ts";
import { invitations } from "./invitation-routes.ts";
import { joinPage } from "./join-page.ts";
import { changeMember, pageMembers, removeMember } from "./members.ts";
import {
  DeleteOrganization,
  Member,
  MemberChange,
  MemberParams,
  MemberQuery,
  Members,
  NewOrganization,
  OrganizationChange,
  OrganizationPage,
  OrganizationParams,
  OrganizationQuery,
  Organizations,
} from "./model.ts";
import { describePage } from "./page.ts";
import { changeOrganization, createOrganization, deleteOrganization, searchOrganizations } from "./service.ts";
import { getOrganization } from "./standing.ts";

const closed = { "cache-control": "private, no-store" };

/** Organizations: their pages, their people, and who owns them. */
export function organizations(api: Api) {
  return new Elysia().use(joinPage()).use(invitations(api)).use(pages(api)).use(members(api));
}

function pages(api: Api) {
  const answer = async (row: OrganizationRow, { caller, request }: Answering) => {
    const shown = await describePage(api, { row, caller, request });
    const etag = shownTag(row.revision, shown);
    const headers = { etag, "cache-control": "private, no-cache", vary: "accept-language" };
    if (request.method === "GET" && isUnchanged(request, etag)) return new Response(null, { status: 304, headers });
    return Response.json(shown, { headers });
  };
  return new Elysia({ prefix: "/v1/organizations", tags: ["organizations"] })
    .use(callers(api))
    .get(
      "",
      async ({ query: { mine, ...query }, caller, request, set }) => {
        if (mine) requireCaller(caller);
        const page = await searchOrganizations(api, { caller, mine: mine === "true", ...query });
        Object.assign(set.headers, linkNext(request, page.nextCursor), closed);
        return page;
      },
      {
        query: OrganizationQuery,
        response: { 200: Organizations },
        detail: { summary: "Public organizations, or your own" },
      },
    )
    .post(
      "",
      ({ body, caller, request }) => {
        const owner = requireCaller(caller);
        return answerOnce({ db: api.db, request, caller: owner, body }, async () => {
          const row = await createOrganization(api, { caller: owner, organization: body });
          const shown = await describePage(api, { row, caller: owner, request });
          const headers = { location: `/v1/organizations/${row.slug}`, etag: shownTag(row.revision, shown) };
          return { status: 201, body: shown, headers };
        });
      },
      {
        body: NewOrganization,
        detail: { summary: "Create an organization", responses: describe({ 201: OrganizationPage }) },
      },
    )
    .get(
      "/:slug",
      async ({ params: { slug }, caller, request, server }) => {
        const organization = await getOrganization(api, { slug, caller });
        const subject = { kind: "organization", id: organization.id };
        await api.analytics.record({ kind: "view", subject, request, from: server, caller });
        return answer(organization, { caller, request });
      },
      {
        params: OrganizationParams,
        detail: { summary: "An organization's page", responses: describe({ 200: OrganizationPage }) },
      },
    )
    .patch(
      "/:slug",
      async ({ params: { slug }, body, caller, request }) => {
        const revision = requireRevision(request);
        const changing = { caller: requireCaller(caller), slug, revision, change: body };
        return answer(await changeOrganization(api, changing), { caller, request });
      },
      {
        params: OrganizationParams,
        body: OrganizationChange,
        detail: { summary: "Change an organization's page (If-Match)", responses: describe({ 200: OrganizationPage }) },
      },
    )
    .delete(
      "/:slug",
      async ({ params: { slug }, body, caller, request, status }) => {
        await deleteOrganization(api, { caller: requireCaller(caller), slug, revision: readRevision(request), body });
        return status(204, undefined);
      },
      {
        params: OrganizationParams,
        body: DeleteOrganization,
        detail: { summary: "Delete an organization, and say who gets what it owns" },
      },
    );
}

type Answering = { caller: Caller | null; request: Request };

function members(api: Api) {
  return new Elysia({ prefix: "/v1/organizations/:slug/members", tags: ["organizations"] })
    .use(callers(api))
    .get(
      "",
      async ({ params: { slug }, query, caller, request, set }) => {
        const page = await pageMembers(api, { caller, slug, ...query });
        Object.assign(set.headers, linkNext(request, page.nextCursor), closed);
        return page;
      },
      {
        params: OrganizationParams,
        query: MemberQuery,
        response: { 200: Members },
        detail: { summary: "Its members: all for members, the public ones for others" },
      },
    )
    .patch(
      "/:userId",
      async ({ params, body, caller, set }) => {
        Object.assign(set.headers, closed);
        return changeMember(api, { caller: requireCaller(caller), ...params, change: body });
      },
      {
        params: MemberParams,
        body: MemberChange,
        response: { 200: Member },
        detail: { summary: "Say who is a manager, or whether others see you" },
      },
    )
    .delete(
      "/:userId",
      async ({ params, caller, status }) => {
        await removeMember(api, { caller: requireCaller(caller), ...params });
        return status(204, undefined);
      },
      { params: MemberParams, detail: { summary: "Let a member go, or leave" } },
    );
}
