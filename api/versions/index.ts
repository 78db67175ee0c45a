import { Value } from "@sinclair/typebox/value";
import { Elysia, t } from "elysia";
import { Fault } from "../../fault.ts";
import type { Api } from "../api.ts";
import { callers, requireCaller } from "../caller.ts";
import { describe } from "../describe.ts";
import { requireRevision, revisionTag } from "../etag.ts";
import { answerOnce } from "../idempotency.ts";
import { SlugParams } from "../packs/model.ts";
import { linkNext } from "../pages.ts";
import { Accepted } from "../uploads/model.ts";
import { getArchive } from "./archives.ts";
import { describeVersion } from "./describe.ts";
import { getDiff } from "./diff.ts";
import { changeDraft, declareVersion, describeDraft, removeDraft } from "./draft.ts";
import { headCache, heads } from "./heads.ts";
import { integrity } from "./integrity.ts";
import {
  ArchiveQuery,
  Diff,
  DiffParams,
  NewVersion,
  Publishing,
  Scheduled,
  Version,
  VersionChange,
  VersionParams,
  Versions,
  VersionsQuery,
  Withdrawal,
} from "./model.ts";
import { publish, schedule, unschedule } from "./publish.ts";
import { getVersion, pageVersions, setYanked, withdraw } from "./service.ts";

const jobAnswer = (id: string) => ({ job: { id, url: `/v1/jobs/${id}` } });

/** Versions: declared as drafts, published once, then frozen. */
export function versions(api: Api) {
  return new Elysia({ prefix: "/v1/packs/:slug", tags: ["versions"] })
    .use(heads(api))
    .use(integrity(api))
    .use(callers(api))
    .get(
      "/versions",
      async ({ params, query, caller, request, set }) => {
        const { pack, items, nextCursor } = await pageVersions(api, { caller, slug: params.slug, ...query });
        Object.assign(set.headers, linkNext(request, nextCursor), {
          "cache-control": headCache(pack),
        });
        return { items, nextCursor };
      },
      {
        params: SlugParams,
        query: VersionsQuery,
        response: { 200: Versions },
        detail: { summary: "Versions, newest first" },
      },
    )
    .post(
      "/versions",
      ({ params, body, caller, request }) => {
        const author = requireCaller(caller);
        return answerOnce({ db: api.db, request, caller: author, body }, async () => {
          const { created, version } = await declareVersion(api, { caller: author, slug: params.slug, body });
          return {
            status: created ? 201 : 200,
            body: version,
            headers: { location: `/v1/packs/${params.slug}/versions/${version.version}` },
          };
        });
      },
      {
        params: SlugParams,
        body: NewVersion,
        detail: {
          summary: "Declare a version: a draft, with what it lacks",
          responses: describe({ 200: Version, 201: Version }),
        },
      },
    )
    .get("/diff/:from/:to", ({ params, caller }) => getDiff(api, { caller, ...params }), {
      params: DiffParams,
      response: { 200: Diff },
      detail: { summary: "What lies between two versions" },
    })
    .get(
      "/versions/:version",
      async ({ params, caller, set }) => {
        const { pack, row } = await getVersion(api, { caller, ...params });
        set.headers.etag = revisionTag(row.revision);
        set.headers["cache-control"] = headCache(pack);
        return row.state === "published" ? describeVersion(pack.slug, row) : describeDraft(api.db, pack.slug, row);
      },
      {
        params: VersionParams,
        response: { 200: Version },
        detail: { summary: "A version; a draft with what it lacks" },
      },
    )
    .patch(
      "/versions/:version",
      async ({ params, body, caller, request, set }) => {
        const row = await changeDraft(api, {
          caller: requireCaller(caller),
          ...params,
          revision: requireRevision(request),
          change: body,
        });
        set.headers.etag = revisionTag(row.revision);
        return describeDraft(api.db, params.slug, row);
      },
      {
        params: VersionParams,
        body: VersionChange,
        response: { 200: Version },
        detail: { summary: "Change a draft (If-Match)" },
      },
    )
    .delete(
      "/versions/:version",
      async ({ params, caller, status }) => {
        await removeDraft(api, { caller: requireCaller(caller), ...params });
        return status(204, undefined);
      },
      { params: VersionParams, detail: { summary: "Delete a draft" } },
    )
    .post(
      "/versions/:version/publish",
      async ({ params, body, caller, status }) => {
        const asked = { caller: requireCaller(caller), ...params };
        // Of a body that there need not be, Elysia looks at objects only.
        if (!Value.Check(Publishing, body ?? {}))
          throw new Fault("invalid", "Cannot accept the body: it is no object with a time");
        const at = body?.at === undefined ? undefined : new Date(body.at);
        return at && at.getTime() > Date.now()
          ? status(202, { publishAt: await schedule(api, { ...asked, at }) })
          : status(202, jobAnswer(await publish(api, asked)));
      },
      {
        params: VersionParams,
        body: t.Optional(Publishing),
        response: { 202: t.Union([Accepted, Scheduled]) },
        detail: { summary: "Publish a draft, now or at a time: freezes it" },
      },
    )
    .delete(
      "/versions/:version/publish",
      async ({ params, caller, status }) => {
        await unschedule(api, { caller: requireCaller(caller), ...params });
        return status(204, undefined);
      },
      { params: VersionParams, detail: { summary: "Do not publish a draft at the time that was set" } },
    )
    .get(
      "/versions/:version/archive",
      async ({ params, query, caller, request, server }) => {
        const found = await getArchive(api, { caller, ...params, ...query });
        if ("url" in found) await api.analytics.record({ ...found.download, request, from: server, caller });
        const headers = { "cache-control": "no-store", "referrer-policy": "no-referrer" };
        return "url" in found
          ? new Response(null, { status: 307, headers: { ...headers, location: found.url } })
          : Response.json(jobAnswer(found.jobId), { status: 202, headers });
      },
      {
        params: VersionParams,
        query: ArchiveQuery,
        detail: {
          summary: "Redirect to an archive, or the job that builds it",
          responses: { ...describe({ 202: Accepted }), 307: { description: "Location is the signed address" } },
        },
      },
    )
    .post(
      "/versions/:version/yank",
      ({ params, caller }) => setYanked(api, { caller: requireCaller(caller), ...params, yanked: true }),
      {
        params: VersionParams,
        response: { 200: Version },
        detail: { summary: "Take a version out of latest" },
      },
    )
    .post(
      "/versions/:version/unyank",
      ({ params, caller }) => setYanked(api, { caller: requireCaller(caller), ...params, yanked: false }),
      {
        params: VersionParams,
        response: { 200: Version },
        detail: { summary: "Put a version back" },
      },
    )
    .post(
      "/versions/:version/withdraw",
      async ({ params, body, caller, request, status }) => {
        await withdraw(api, { caller: requireCaller(caller), request, ...params, ...body });
        return status(204, undefined);
      },
      { params: VersionParams, body: Withdrawal, detail: { summary: "Serve a version to nobody any more (410)" } },
    );
}
