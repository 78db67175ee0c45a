import { Elysia, t } from "elysia";
import type { AlbumRow } from "../../db/album.ts";
import type { Api } from "../api.ts";
import { callers, requireCaller } from "../caller.ts";
import { describe } from "../describe.ts";
import { isUnchanged, readRevision, requireRevision, shownTag } from "../etag.ts";
import { answerOnce } from "../idempotency.ts";
import { Images } from "../images/model.ts";
import { toViewer } from "../images/viewer.ts";
import { SlugParams } from "../packs/model.ts";
import { linkNext } from "../pages.ts";
import { answerSigned } from "../redirect.ts";
import { UserParams } from "../users/model.ts";
import { askForArchive, signArchive } from "./archive.ts";
import {
  Album,
  AlbumChange,
  AlbumImageParams,
  AlbumParams,
  Albums,
  AskedArchive,
  DeleteAlbumQuery,
  ListQuery,
  NewAlbum,
} from "./model.ts";
import {
  changeAlbum,
  createAlbum,
  describeAlbum,
  getAlbum,
  getEditableAlbum,
  listImages,
  listOfEvent,
  listOfOrganization,
  listOfOwner,
  listOfPack,
  listOfUser,
  removeAlbum,
  takeOut,
} from "./service.ts";
import { sharePage } from "./share-page.ts";
import { shares } from "./share-routes.ts";

/** Albums: sets of images with one title, one visibility, links and an archive. */
export function albums(api: Api) {
  return new Elysia().use(ownAlbums(api)).use(shares(api)).use(sharePage(api));
}

function ownAlbums(api: Api) {
  return new Elysia({ prefix: "/v1", tags: ["albums"] })
    .use(callers(api))
    .resolve(({ caller, request }) => ({ viewer: toViewer(api, { caller, request }) }))
    .post(
      "/albums",
      ({ body, caller, request }) => {
        const owner = requireCaller(caller);
        return answerOnce({ db: api.db, request, caller: owner, body }, async () => {
          const row = await createAlbum(api, { caller: owner, ...body });
          const shown = describeAlbum(row);
          const headers = { location: `/v1/albums/${row.id}`, etag: shownTag(row.revision, shown) };
          return { status: 201, body: shown, headers };
        });
      },
      {
        body: NewAlbum,
        detail: {
          summary: "Make an album, or a gallery of a pack, an organization or an event",
          responses: describe({ 201: Album }),
        },
      },
    )
    .get(
      "/me/albums",
      async ({ query, caller, viewer, request, set }) => {
        const page = await listOfOwner(api, { ownerId: requireCaller(caller).userId, viewer, ...query });
        Object.assign(set.headers, linkNext(request, page.nextCursor));
        return page;
      },
      { query: ListQuery, response: { 200: Albums }, detail: { summary: "The caller's own albums, newest first" } },
    )
    .get(
      "/users/:id/albums",
      async ({ params, query, viewer, request, set }) => {
        const page = await listOfUser(api, { name: params.id.toLowerCase(), viewer, ...query });
        Object.assign(set.headers, linkNext(request, page.nextCursor));
        return page;
      },
      {
        params: UserParams,
        query: ListQuery,
        response: { 200: Albums },
        detail: { summary: "Somebody's albums, as they are listed to the caller" },
      },
    )
    .get(
      "/packs/:slug/albums",
      async ({ params, query, caller, viewer, request, set }) => {
        const page = await listOfPack(api, { slug: params.slug, caller, viewer, ...query });
        Object.assign(set.headers, linkNext(request, page.nextCursor));
        return page;
      },
      {
        params: SlugParams,
        query: ListQuery,
        response: { 200: Albums },
        detail: { summary: "A pack's galleries, as they are listed to the caller" },
      },
    )
    .get(
      "/organizations/:slug/albums",
      async ({ params, query, caller, viewer, request, set }) => {
        const page = await listOfOrganization(api, { slug: params.slug, caller, viewer, ...query });
        Object.assign(set.headers, linkNext(request, page.nextCursor));
        return page;
      },
      {
        params: SlugParams,
        query: ListQuery,
        response: { 200: Albums },
        detail: { summary: "An organization's galleries, as they are listed to the caller" },
      },
    )
    .get(
      "/events/:slug/albums",
      async ({ params, query, caller, viewer, request, set }) => {
        const page = await listOfEvent(api, { slug: params.slug, caller, viewer, ...query });
        Object.assign(set.headers, linkNext(request, page.nextCursor));
        return page;
      },
      {
        params: SlugParams,
        query: ListQuery,
        response: { 200: Albums },
        detail: { summary: "An event's galleries, as they are listed to the caller" },
      },
    )
    .get(
      "/albums/:id",
      async ({ params: { id }, viewer, request }) => answer(await getAlbum(api.db, { id, viewer }), request),
      { params: AlbumParams, detail: { summary: "An album", responses: describe({ 200: Album }) } },
    )
    .patch(
      "/albums/:id",
      async ({ params: { id }, body, caller, viewer, request }) => {
        requireCaller(caller);
        const row = await getEditableAlbum(api.db, { id, viewer });
        await changeAlbum(api, { row, revision: requireRevision(request), change: body });
        return answer(await getAlbum(api.db, { id, viewer }), request);
      },
      {
        params: AlbumParams,
        body: AlbumChange,
        detail: { summary: "Change an album (If-Match)", responses: describe({ 200: Album }) },
      },
    )
    .delete(
      "/albums/:id",
      async ({ params: { id }, query: { images = "keep" }, caller, viewer, request, status }) => {
        const signedIn = requireCaller(caller);
        const row = await getEditableAlbum(api.db, { id, viewer });
        await removeAlbum(api, { caller: signedIn, row, revision: readRevision(request), images });
        return status(204, undefined);
      },
      {
        params: AlbumParams,
        query: DeleteAlbumQuery,
        detail: {
          summary: "Delete an album, and with images=delete what is in it",
          responses: { 204: { description: "" } },
        },
      },
    )
    .get(
      "/albums/:id/images",
      async ({ params: { id }, query, viewer, request, set }) => {
        const row = await getAlbum(api.db, { id, viewer });
        const page = await listImages(api, { row, viewer, ...query });
        Object.assign(set.headers, linkNext(request, page.nextCursor));
        return page;
      },
      {
        params: AlbumParams,
        query: ListQuery,
        response: { 200: Images },
        detail: { summary: "The images of an album that the caller may see, in their order" },
      },
    )
    .delete(
      "/albums/:id/images/:image",
      async ({ params: { id, image: imageId }, caller, viewer, status }) => {
        const signedIn = requireCaller(caller);
        await takeOut(api, { caller: signedIn, row: await getAlbum(api.db, { id, viewer }), imageId });
        return status(204, undefined);
      },
      {
        params: AlbumImageParams,
        detail: {
          summary: "Take an image out of an album: an editor any, everybody his own. It stays its owner's",
          responses: { 204: { description: "" } },
        },
      },
    )
    .post(
      "/albums/:id/archive",
      async ({ params: { id }, viewer, set, status }) => {
        const row = await getAlbum(api.db, { id, viewer });
        const { jobId } = await askForArchive(api, { row, viewer, headers: set.headers });
        const url = `/v1/albums/${id}/archive`;
        if (jobId === null) return status(200, { state: "ready" as const, url });
        return status(202, { state: "packing" as const, url, job: { id: jobId, url: `/v1/jobs/${jobId}` } });
      },
      {
        params: AlbumParams,
        response: { 200: AskedArchive, 202: AskedArchive },
        detail: { summary: "Have the images of an album that the caller may see packed into one zip" },
      },
    )
    .get(
      "/albums/:id/archive",
      async ({ params: { id }, caller, viewer, request }) => {
        const url = await signArchive(api, { row: await getAlbum(api.db, { id, viewer }), viewer });
        return answerSigned({ url, caller, request });
      },
      {
        params: AlbumParams,
        detail: {
          summary: "Redirect to that zip; JSON {url} for callers who accept JSON",
          responses: {
            ...describe({ 200: t.Object({ url: t.String() }) }),
            307: { description: "Location is the signed address" },
          },
        },
      },
    );
}

function answer(row: AlbumRow, request: Request): Response {
  const shown = describeAlbum(row);
  const headers = { etag: shownTag(row.revision, shown), "cache-control": "private, no-cache" };
  if (request.method === "GET" && isUnchanged(request, headers.etag))
    return new Response(null, { status: 304, headers });
  return Response.json(shown, { headers });
}
