import { Elysia } from "elysia";
import { Fault } from "../../fault.ts";
import type { Api } from "../api.ts";
import { callers, requireRole } from "../caller.ts";
import { describe } from "../describe.ts";
import { isUnchanged, shownTag } from "../etag.ts";
import { describeGallery } from "../images/gallery.ts";
import { toViewer } from "../images/viewer.ts";
import { PublicProfile } from "../me/model.ts";
import { describePublicProfile } from "../me/profile.ts";
import { linkNext } from "../pages.ts";
import { openKnownProfiles } from "./known-profiles.ts";
import { ManagedUser, ManagedUserParams, ManagedUsers, UserChange, UserParams, UserQuery } from "./model.ts";
import { changeUser, findKnownProfile, searchUsers } from "./service.ts";

/** People: what everybody may see of them, and what admins decide about them. */
export function users(api: Api) {
  const profiles = openKnownProfiles({ ...api, look: (name) => findKnownProfile(api.db, name) });
  return new Elysia({ prefix: "/v1/users", tags: ["users"] })
    .use(callers(api))
    .get(
      "",
      async ({ query, caller, request, set }) => {
        requireRole(caller, "admin");
        const page = await searchUsers(api, query);
        Object.assign(set.headers, linkNext(request, page.nextCursor), { "cache-control": "private, no-store" });
        return page;
      },
      { query: UserQuery, response: { 200: ManagedUsers }, detail: { summary: "All accounts, for admins" } },
    )
    .get(
      "/:id",
      async ({ params, caller, request, server }) => {
        const row = await profiles.find(params.id.toLowerCase());
        if (!row) throw new Fault("not-found", "There is no such user");
        api.analytics.note({
          kind: "view",
          subject: { kind: "user", id: row.id },
          request,
          from: server,
          caller,
        });
        const viewer = toViewer(api, { caller, request });
        const url = `/v1/users/${row.id}/images`;
        const images = await describeGallery(api, { ownerId: row.id, caller, viewer, url });
        const shown = describePublicProfile(row, { ...row, images });
        const headers = { etag: shownTag(row.revision, shown), "cache-control": "private, no-cache" };
        if (isUnchanged(request, headers.etag)) return new Response(null, { status: 304, headers });
        return Response.json(shown, { headers });
      },
      {
        params: UserParams,
        detail: { summary: "Somebody's public profile, by id or login", responses: describe({ 200: PublicProfile }) },
      },
    )
    .patch(
      "/:id",
      async ({ params, body, caller, request, set }) => {
        set.headers["cache-control"] = "private, no-store";
        return changeUser(api, { caller: requireRole(caller, "admin"), request, id: params.id, change: body });
      },
      {
        params: ManagedUserParams,
        body: UserChange,
        response: { 200: ManagedUser },
        detail: { summary: "Give roles, disable, or bring back an account, for admins" },
      },
    );
}
