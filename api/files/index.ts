import { Elysia, t } from "elysia";
import type { Noticed } from "../analytics/recorder.ts";
import type { Api } from "../api.ts";
import { callers, requireCaller } from "../caller.ts";
import { describe } from "../describe.ts";
import { isUnchanged, readRevision, requireRevision, revisionTag } from "../etag.ts";
import { answerOnce } from "../idempotency.ts";
import { linkNext } from "../pages.ts";
import { answerSigned } from "../redirect.ts";
import { File, FileChange, FileParams, FileQuery, Files, NewFile } from "./model.ts";
import { changeFile, createFile, describeStored, getFile, removeFile, searchFiles, signFile } from "./service.ts";

/** Files that stand alone: a map, a resource pack, a launcher build. */
export function files(api: Api) {
  return new Elysia({ prefix: "/v1/files", tags: ["files"] })
    .use(callers(api))
    .get(
      "",
      async ({ query, caller, request, set }) => {
        const page = await searchFiles(api, { caller, ...query });
        Object.assign(set.headers, linkNext(request, page.nextCursor), { "cache-control": "private, no-store" });
        return page;
      },
      { query: FileQuery, response: { 200: Files }, detail: { summary: "Files that the caller may read" } },
    )
    .post(
      "",
      ({ body, caller, request }) => {
        const owner = requireCaller(caller);
        return answerOnce({ db: api.db, request, caller: owner, body }, async () => {
          const { file, revision } = await createFile(api, { caller: owner, ...body });
          const headers = { location: `/v1/files/${file.id}`, etag: revisionTag(revision) };
          return { status: 201, body: file, headers };
        });
      },
      {
        body: NewFile,
        detail: { summary: "Give uploaded bytes a name of their own", responses: describe({ 201: File }) },
      },
    )
    .get(
      "/:id",
      async ({ params: { id }, caller, request }) =>
        answer(await describeStored(api.db, { caller, row: await getFile(api.db, { caller, id }) }), request),
      { params: FileParams, detail: { summary: "A file's metadata", responses: describe({ 200: File }) } },
    )
    .patch(
      "/:id",
      async ({ params: { id }, body, caller, request }) => {
        const owner = requireCaller(caller);
        await getFile(api.db, { caller, id });
        const revision = requireRevision(request);
        return answer(await changeFile(api, { caller: owner, id, revision, change: body }), request);
      },
      {
        params: FileParams,
        body: FileChange,
        detail: { summary: "Rename a file or say who may read it (If-Match)", responses: describe({ 200: File }) },
      },
    )
    .delete(
      "/:id",
      async ({ params: { id }, caller, request, status }) => {
        await removeFile(api, { caller: requireCaller(caller), id, revision: readRevision(request) });
        return status(204, undefined);
      },
      { params: FileParams, detail: { summary: "Delete a file" } },
    )
    .get("/:id/content", (context) => sendContent("GET", context), {
      params: FileParams,
      detail: {
        summary: "Redirect to the bytes; JSON {url} for callers who accept JSON",
        responses: {
          ...describe({ 200: t.Object({ url: t.String() }) }),
          307: { description: "Location is the signed address" },
        },
      },
    })
    .head("/:id/content", (context) => sendContent("HEAD", context), { params: FileParams, detail: { hide: true } });

  type Asked = { params: { id: string } } & Pick<Noticed, "request"> & {
      caller: Parameters<typeof signFile>[1]["caller"];
      server: Noticed["from"];
    };
  async function sendContent(method: "GET" | "HEAD", { params: { id }, caller, request, server }: Asked) {
    const url = await signFile(api, { caller, id, method });
    await api.analytics.record({ kind: "download", subject: { kind: "file", id }, request, from: server, caller });
    return answerSigned({ url, caller, request });
  }
}

function answer({ file, revision }: { file: File; revision: number }, request: Request): Response {
  const headers = { etag: revisionTag(revision), "cache-control": "private, no-cache" };
  if (request.method === "GET" && isUnchanged(request, headers.etag))
    return new Response(null, { status: 304, headers });
  return Response.json(file, { headers });
}
