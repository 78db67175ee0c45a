import { Elysia } from "elysia";
import type { Api } from "../api.ts";
import { callers, requireCaller } from "../caller.ts";
import { SlugParams } from "../packs/model.ts";
import { linkNext } from "../pages.ts";
import { LinkParams, Links, LinksQuery, MadeLink, NewLink } from "./model.ts";
import { endLink, makeLink, searchLinks } from "./service.ts";

/** Share links: whoever has one may read one pack, or one channel of it. */
export function links(api: Api) {
  return new Elysia({ prefix: "/v1/packs/:slug/links", tags: ["links"] })
    .use(callers(api))
    .post(
      "",
      // No Idempotency-Key: the kept answer would hold the token.
      async ({ params: { slug }, body, caller, status }) =>
        status(201, await makeLink(api, { caller: requireCaller(caller), slug, ...body })),
      {
        params: SlugParams,
        body: NewLink,
        response: { 201: MadeLink },
        detail: { summary: "Make a link to a pack; its token is shown once" },
      },
    )
    .get(
      "",
      async ({ params: { slug }, query, caller, request, set }) => {
        const page = await searchLinks(api, { caller: requireCaller(caller), slug, ...query });
        Object.assign(set.headers, linkNext(request, page.nextCursor));
        return page;
      },
      {
        params: SlugParams,
        query: LinksQuery,
        response: { 200: Links },
        detail: { summary: "A pack's links, newest first, with their last use" },
      },
    )
    .delete(
      "/:id",
      async ({ params, caller, status }) => {
        await endLink(api, { caller: requireCaller(caller), ...params });
        return status(204, undefined);
      },
      {
        params: LinkParams,
        detail: { summary: "Revoke a link and every address beneath it", responses: { 204: { description: "" } } },
      },
    );
}
