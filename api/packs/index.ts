import { Elysia } from "elysia";
import { startOf } from "../../analytics-time.ts";
import { findTotal } from "../../db/analytics-rollup.ts";
import { countFollows } from "../../db/follow.ts";
import type { PackRow } from "../../db/pack.ts";
import { findAccess } from "../../db/pack-access.ts";
import { deleteMember, listMembers, upsertMember } from "../../db/pack-member.ts";
import { Fault } from "../../fault.ts";
import type { Api } from "../api.ts";
import { callers, requireCaller } from "../caller.ts";
import { describe } from "../describe.ts";
import { isUnchanged, readRevision, requireRevision, shownTag } from "../etag.ts";
import { answerOnce } from "../idempotency.ts";
import { linkNext } from "../pages.ts";
import { confirmCaller } from "../sessions/service.ts";
import type { Caller } from "../tokens.ts";
import { setAccess } from "./access.ts";
import { drawBadge } from "./badge.ts";
import {
  DeletePack,
  Member,
  MemberParams,
  Members,
  NewPack,
  PackChange,
  PackPage,
  PackQuery,
  Packs,
  ShownAccess,
  SlugParams,
  WideAccess,
} from "./model.ts";
import {
  changePack,
  createPack,
  deletePack,
  describePack,
  getPack,
  getPackAs,
  requireUser,
  searchPacks,
} from "./service.ts";

/** Packs: their pages, who may read them, who works on them. */
export function packs(api: Api) {
  return new Elysia({ prefix: "/v1/packs", tags: ["packs"] })
    .use(callers(api))
    .get(
      "",
      async ({ query, caller, request, set }) => {
        const page = await searchPacks(api, { caller, ...query });
        Object.assign(set.headers, linkNext(request, page.nextCursor), {
          "cache-control": caller ? "private, no-store" : "public, no-cache",
        });
        return page;
      },
      { query: PackQuery, response: { 200: Packs }, detail: { summary: "Packs that the caller may see" } },
    )
    .post(
      "",
      ({ body, caller, request }) => {
        const owner = requireCaller(caller);
        return answerOnce({ db: api.db, request, caller: owner, body }, async () => {
          const pack = await createPack(api, { caller: owner, ...body });
          const shown = await showPage(pack, owner);
          const headers = { location: `/v1/packs/${pack.slug}`, etag: shownTag(pack.revision, shown) };
          return { status: 201, body: shown, headers };
        });
      },
      { body: NewPack, detail: { summary: "Create a pack", responses: describe({ 201: PackPage }) } },
    )
    .get(
      "/:slug",
      async ({ params, caller, request, server }) => {
        const pack = await getPack(api, { slug: params.slug, caller });
        await api.analytics.record({
          kind: "view",
          subject: { kind: "pack", id: pack.id },
          request,
          from: server,
          caller,
        });
        return answer(pack, { caller, request });
      },
      {
        params: SlugParams,
        detail: { summary: "A pack's page", responses: describe({ 200: PackPage }) },
      },
    )
    .patch(
      "/:slug",
      async ({ params, body, caller, request }) => {
        const changing = { slug: params.slug, revision: requireRevision(request), change: body };
        const pack = await changePack(api, { caller: requireCaller(caller), ...changing });
        return answer(pack, { caller, request });
      },
      {
        params: SlugParams,
        body: PackChange,
        detail: { summary: "Change a pack's page (If-Match)", responses: describe({ 200: PackPage }) },
      },
    )
    .delete(
      "/:slug",
      async ({ params, body, caller, request, status }) => {
        await deletePack(api, {
          caller: requireCaller(caller),
          slug: params.slug,
          confirmed: body.slug,
          revision: readRevision(request),
        });
        return status(204, undefined);
      },
      {
        params: SlugParams,
        body: DeletePack,
        detail: { summary: "Delete a pack: hidden at once, its slug never used again" },
      },
    )
    .get(
      "/:slug/badge.svg",
      async ({ params, caller }) => {
        const pack = await getPack(api, { slug: params.slug, caller });
        const badge = drawBadge(await findTotal(api.db, { subjectId: pack.id, kind: "download" }));
        const cache = pack.visibility === "public" ? "public, max-age=300" : "private, no-cache";
        return new Response(badge, { headers: { "content-type": "image/svg+xml", "cache-control": cache } });
      },
      {
        params: SlugParams,
        detail: {
          summary: "A pack's downloads as a picture for other pages",
          responses: { 200: { description: "image/svg+xml" } },
        },
      },
    )
    .get(
      "/:slug/access",
      async ({ params, caller }) =>
        findAccess(
          api.db,
          (await getPackAs(api, { slug: params.slug, caller: requireCaller(caller), role: "maintainer" })).id,
        ),
      {
        params: SlugParams,
        response: { 200: ShownAccess },
        detail: { summary: "Who may read a private pack" },
      },
    )
    .put(
      "/:slug/access",
      async ({ params, body, caller }) => {
        await setAccess(api, { caller: requireCaller(caller), slug: params.slug, ...body });
        return findAccess(api.db, (await getPack(api, { slug: params.slug, caller })).id);
      },
      {
        params: SlugParams,
        body: WideAccess,
        response: { 200: ShownAccess },
        detail: { summary: "Say who may read a private pack" },
      },
    )
    .get(
      "/:slug/members",
      async ({ params, caller }) =>
        describeMembers(await getPackAs(api, { slug: params.slug, caller: requireCaller(caller), role: "publisher" })),
      {
        params: SlugParams,
        response: { 200: Members },
        detail: { summary: "Who works on a pack" },
      },
    )
    .put(
      "/:slug/members",
      async ({ params, body, caller }) => {
        const signedIn = requireCaller(caller);
        const pack = await getPackAs(api, {
          slug: params.slug,
          caller: signedIn,
          role: body.role === "publisher" ? "maintainer" : "owner",
        });
        const userId = await requireUser(api.db, body.login);
        if (pack.organizationId === null && userId === pack.ownerId)
          throw new Fault("conflict", `"${body.login}" is the owner already`);
        const held = (await listMembers(api.db, pack.id)).find(({ login }) => login === body.login.toLowerCase())?.role;
        if (held === "maintainer" && pack.role !== "owner")
          throw new Fault(
            "not-allowed",
            `Not allowed: only the owner changes the role of the maintainer "${body.login}"`,
          );
        await api.db.transaction(async (tx) => {
          await confirmCaller(tx, signedIn);
          await upsertMember(tx, { packId: pack.id, userId, role: body.role });
        });
        return describeMembers(pack);
      },
      {
        params: SlugParams,
        body: Member,
        response: { 200: Members },
        detail: { summary: "Let somebody work on a pack" },
      },
    )
    .delete(
      "/:slug/members/:login",
      async ({ params, caller, status }) => {
        const signedIn = requireCaller(caller);
        const leaves = params.login.toLowerCase() === signedIn.login;
        const pack = await getPackAs(api, {
          slug: params.slug,
          caller: signedIn,
          role: leaves ? "publisher" : "owner",
        });
        const gone = await api.db.transaction(async (tx) => {
          await confirmCaller(tx, signedIn);
          return deleteMember(tx, { packId: pack.id, login: params.login.toLowerCase() });
        });
        if (gone === 0) throw new Fault("not-found", `"${params.login}" is no member of "${params.slug}"`);
        return status(204, undefined);
      },
      { params: MemberParams, detail: { summary: "Let somebody go" } },
    );

  async function describeMembers(pack: PackRow) {
    return {
      owner: pack.ownerLogin,
      organization: pack.organization,
      items: await listMembers(api.db, pack.id),
    };
  }

  async function showPage(pack: PackRow, caller: Caller | null) {
    const asked = { subject: { packId: pack.id }, userId: caller?.userId ?? null };
    const { count, asOf } = await findTotal(api.db, { subjectId: pack.id, kind: "download" });
    // By the hour, so that a page that shows nothing new keeps its ETag.
    const downloads = { count, asOf: startOf("hour", asOf).toISOString() };
    return { ...describePack(pack), ...(await countFollows(api.db, asked)), downloads };
  }

  async function answer(pack: PackRow, { caller, request }: { caller: Caller | null; request: Request }) {
    const shown = await showPage(pack, caller);
    const etag = shownTag(pack.revision, shown);
    const isPublic = pack.visibility === "public" && caller === null;
    const headers = { etag, "cache-control": isPublic ? "public, no-cache" : "private, no-cache" };
    if (request.method === "GET" && isUnchanged(request, etag)) return new Response(null, { status: 304, headers });
    return Response.json(shown, { headers });
  }
}
