import { Elysia } from "elysia";
import { deprecatedSince } from "../aliases.ts";
import type { Api } from "../api.ts";
import { callers, requireCaller } from "../caller.ts";
import { describe } from "../describe.ts";
import { isUnchanged, readRevision, requireRevision, revisionTag, shownTag } from "../etag.ts";
import { answerOnce } from "../idempotency.ts";
import { linkNext } from "../pages.ts";
import { answerSigned } from "../redirect.ts";
import { UserParams } from "../users/model.ts";
import { completeImage, openImage } from "./arrival.ts";
import { openFormUploads } from "./form-upload.ts";
import {
  FormAccepted,
  Image,
  ImageAccepted,
  ImageChange,
  ImageParams,
  ImageQuery,
  Images,
  NewImage,
  OwnImageQuery,
  VariantParams,
} from "./model.ts";
import { changeImage, listOfUser, listOwn, removeImage, type Stored, showImage } from "./service.ts";
import { signVariant } from "./variants.ts";
import { toViewer } from "./viewer.ts";

/** Images: their bytes go straight to storage, and come back as variants that this server has made. */
export function images(api: Api) {
  const receiveForm = openFormUploads(api);
  return new Elysia({ prefix: "/v1", tags: ["images"] })
    .use(callers(api))
    .post(
      "/images",
      ({ body, caller, request }) => {
        const owner = requireCaller(caller);
        return answerOnce({ db: api.db, request, caller: owner, body }, async () => {
          const { image, revision } = await openImage(api, { caller: owner, ...body });
          const headers = { location: `/v1/images/${image.id}`, etag: revisionTag(revision) };
          return { status: 201, body: image, headers };
        });
      },
      {
        body: NewImage,
        detail: { summary: "Ask where to send an image", responses: describe({ 201: Image }) },
      },
    )
    .post(
      "/images/:id/complete",
      async ({ params: { id }, caller, status }) => {
        const { state, jobId } = await completeImage(api, { caller: requireCaller(caller), id });
        return status(202, { id, state, job: { id: jobId, url: `/v1/jobs/${jobId}` } });
      },
      {
        params: ImageParams,
        response: { 202: ImageAccepted },
        detail: { summary: "Hand the bytes over to be rendered" },
      },
    )
    .get(
      "/me/images",
      async ({ query, caller, request, set }) => {
        const page = await listOwn(api, { caller: requireCaller(caller), ...query });
        Object.assign(set.headers, linkNext(request, page.nextCursor), { "cache-control": "private, no-store" });
        return page;
      },
      {
        query: OwnImageQuery,
        response: { 200: Images },
        detail: { summary: "The caller's own images, in his order, in every state or in one" },
      },
    )
    .get(
      "/users/:id/images",
      async ({ params, query, caller, request, set }) => {
        const viewer = toViewer(api, { caller, request });
        const page = await listOfUser(api, { name: params.id.toLowerCase(), viewer, ...query });
        Object.assign(set.headers, linkNext(request, page.nextCursor), { "cache-control": "private, no-store" });
        return page;
      },
      {
        params: UserParams,
        query: ImageQuery,
        response: { 200: Images },
        detail: { summary: "Somebody's images, in his order, as they are listed to the caller" },
      },
    )
    .get(
      "/images/:id",
      async ({ params: { id }, caller, request }) =>
        answer(await showImage(api, { id, viewer: toViewer(api, { caller, request }) }), request),
      { params: ImageParams, detail: { summary: "An image's metadata", responses: describe({ 200: Image }) } },
    )
    .patch(
      "/images/:id",
      async ({ params: { id }, body, caller, request }) => {
        const viewer = toViewer(api, { caller, request });
        const revision = () => requireRevision(request);
        await changeImage(api, { caller: requireCaller(caller), id, revision, change: body });
        return answer(await showImage(api, { id, viewer }), request);
      },
      {
        params: ImageParams,
        body: ImageChange,
        detail: {
          summary: "Describe an image, say who may see it (If-Match), or move it (without)",
          responses: describe({ 200: Image }),
        },
      },
    )
    .delete(
      "/images/:id",
      async ({ params: { id }, caller, request, status }) => {
        await removeImage(api, { caller: requireCaller(caller), id, revision: readRevision(request) });
        return status(204, undefined);
      },
      {
        params: ImageParams,
        detail: { summary: "Delete an image and what was made of it", responses: { 204: { description: "" } } },
      },
    )
    .get("/images/:id/:variant", (context) => sendVariant("GET", context), {
      params: VariantParams,
      detail: {
        summary: "Redirect to what is shown of an image; JSON {url} for callers who accept JSON",
        responses: { 307: { description: "Location is the signed address" } },
      },
    })
    .head("/images/:id/:variant", (context) => sendVariant("HEAD", context), {
      params: VariantParams,
      detail: { hide: true },
    })
    .post("/upload", (context) => takeForm(context), {
      detail: {
        deprecated: true,
        summary: "Send an image in a form: ask for an address instead",
        requestBody: {
          required: true,
          content: {
            "multipart/form-data": {
              schema: {
                type: "object",
                required: ["file"],
                properties: { file: { type: "string", format: "binary" } },
              },
            },
          },
        },
        responses: describe({ 202: FormAccepted }),
      },
    });

  type Asked = {
    params: { id: string; variant: string };
    caller: Parameters<typeof toViewer>[1]["caller"];
    request: Request;
  };
  // Apart from the route, so that Elysia sees no use of the body there and leaves it unread.
  async function takeForm({ caller, request }: Omit<Asked, "params">): Promise<Response> {
    const { id, jobId } = await receiveForm({ caller: requireCaller(caller), request });
    const fileName = `${id}.webp`;
    const job = { id: jobId, url: `/v1/jobs/${jobId}` };
    const headers = {
      "cache-control": "private, no-store",
      deprecation: deprecatedSince,
      link: '</v1/images>; rel="successor-version"',
    };
    return Response.json(
      { id, fileName, url: `/v1/user/${fileName}`, state: "processing", job },
      { status: 202, headers },
    );
  }

  async function sendVariant(method: "GET" | "HEAD", { params, caller, request }: Asked): Promise<Response> {
    const viewer = toViewer(api, { caller, request });
    const url = await signVariant(api, { ...params, viewer, method, accept: request.headers.get("accept") });
    const response = answerSigned({ url, caller, request });
    response.headers.set("vary", "Accept");
    return response;
  }
}

function answer({ image, revision }: Stored, request: Request): Response {
  // While it waits it shows an address that is signed anew each time.
  const { url, expiresAt, ...lasting } = image;
  const headers = { etag: shownTag(revision, lasting), "cache-control": "private, no-cache" };
  if (request.method === "GET" && url === undefined && isUnchanged(request, headers.etag))
    return new Response(null, { status: 304, headers });
  return Response.json(image, { headers });
}
