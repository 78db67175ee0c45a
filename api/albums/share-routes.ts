import { Elysia } from "elysia";
import type { Api } from "../api.ts";
import { callers, requireCaller } from "../caller.ts";
import { toViewer } from "../images/viewer.ts";
import { linkNext } from "../pages.ts";
import { AlbumParams, ListQuery, MadeShare, NewShare, OpenedShare, OpenShare, ShareParams, Shares } from "./model.ts";
import { getEditableAlbum } from "./service.ts";
import { endShare, makeShare, openShare, searchShares } from "./shares.ts";

/** Links that show one album to whoever has them. Tokens and grants are in bodies and headers only, never in an address. */
export function shares(api: Api) {
  return new Elysia({ prefix: "/v1", tags: ["albums"] })
    .use(callers(api))
    .post(
      "/albums/:id/shares",
      async ({ params: { id }, body, caller, request, status }) => {
        const signedIn = requireCaller(caller);
        const row = await getEditableAlbum(api.db, { id, viewer: toViewer(api, { caller, request }) });
        return status(201, await makeShare(api, { caller: signedIn, albumId: row.id, ...body }));
      },
      {
        params: AlbumParams,
        body: NewShare,
        response: { 201: MadeShare },
        detail: { summary: "Make a link to an album; its token is shown once" },
      },
    )
    .get(
      "/albums/:id/shares",
      async ({ params: { id }, query, caller, request, set }) => {
        requireCaller(caller);
        const row = await getEditableAlbum(api.db, { id, viewer: toViewer(api, { caller, request }) });
        const page = await searchShares(api, { albumId: row.id, ...query });
        Object.assign(set.headers, linkNext(request, page.nextCursor));
        return page;
      },
      {
        params: AlbumParams,
        query: ListQuery,
        response: { 200: Shares },
        detail: { summary: "An album's links, newest first, with their last use" },
      },
    )
    .delete(
      "/albums/:id/shares/:share",
      async ({ params: { id, share }, caller, request, status }) => {
        const signedIn = requireCaller(caller);
        const row = await getEditableAlbum(api.db, { id, viewer: toViewer(api, { caller, request }) });
        await endShare(api, { caller: signedIn, albumId: row.id, id: share });
        return status(204, undefined);
      },
      {
        params: ShareParams,
        detail: {
          summary: "Revoke a link, also for those who have opened it",
          responses: { 204: { description: "" } },
        },
      },
    )
    .post(
      "/shares/open",
      ({ body, caller, request, server, set }) => {
        const address = api.addressOf(request, server?.requestIP(request)?.address);
        return openShare(api, { ...body, caller, address, headers: set.headers });
      },
      {
        body: OpenShare,
        response: { 200: OpenedShare },
        detail: { summary: "Open a link: its album, and a grant for the header Share" },
      },
    );
}
