import { Elysia, t } from "elysia";
import { Fault } from "../../fault.ts";
import type { Api } from "../api.ts";
import { describe } from "../describe.ts";
import { linkTokenPattern } from "../links/known-links.ts";
import { Slug, SlugParams } from "../packs/model.ts";
import { Channel, Side, VersionName } from "../versions/model.ts";
import { restOfPath } from "./address.ts";
import { type Beneath, openBeneath } from "./beneath.ts";
import { lookFiles } from "./documents.ts";

const FilesQuery = t.Object(
  {
    channel: t.Optional(Channel),
    version: t.Optional(VersionName),
    side: t.Optional(Side),
  },
  { additionalProperties: false },
);
const Files = t.Array(
  t.Object({
    path: t.String(),
    hash: t.Union([t.String(), t.Null()], {
      description: "SHA-256; null where the author of a reference did not say it",
    }),
    size: t.Union([t.Integer(), t.Null()]),
    url: t.String(),
  }),
);

const slugForm = new RegExp(Slug.pattern ?? "");
const tokenForm = new RegExp(linkTokenPattern);
const hidden = { detail: { hide: true } };

/** Packs as launchers read them that we have not written: beneath `/p`, `/hmcl`, and as a flat list. */
export function launchers(api: Api) {
  const beneath = openBeneath(api);
  const answer = (asked: Beneath): Promise<Response> => {
    // As everywhere outside /v1, what is no slug and no token is not there.
    if (!slugForm.test(asked.slug) || (asked.token !== undefined && !tokenForm.test(asked.token)))
      throw new Fault("not-found", "There is nothing at this address");
    return beneath(asked);
  };
  type Asked = Pick<Beneath, "request" | "server"> & { params: { slug: string; token?: string } };
  const bySlug = ({ request, server, params: { slug } }: Asked) =>
    answer({ request, server, slug, path: restOfPath(request, 2) });
  const byLink = ({ request, server, params: { slug, token } }: Asked) =>
    answer({ request, server, slug, token, path: restOfPath(request, 4) });
  const byHmcl = ({ request, server, params: { slug } }: Asked) =>
    answer({
      request,
      server,
      slug,
      path: `hmcl/${restOfPath(request, 2)}`,
      fileApi: `${api.publicUrl()}/hmcl/${slug}`,
    });
  return new Elysia()
    .get(
      "/v1/packs/:slug/files.json",
      ({ params: { slug }, query: { channel, version, side = "both" }, request, server }) => {
        if (channel !== undefined && version !== undefined)
          throw new Fault("malformed", "Name a channel or a version, not both");
        const ref = version ?? channel;
        return api.give({ request, server }, { slug, path: `files/${ref ?? ""}/${side}` }, (asker) =>
          lookFiles(api, { ...asker, slug, ref, side }),
        );
      },
      {
        params: SlugParams,
        query: FilesQuery,
        detail: {
          tags: ["versions"],
          summary: "A version as a flat list, for home-made launchers",
          responses: describe({ 200: Files }),
        },
      },
    )
    .get("/p/:slug/*", bySlug, hidden)
    .head("/p/:slug/*", bySlug, hidden)
    .get("/p/t/:token/:slug/*", byLink, hidden)
    .head("/p/t/:token/:slug/*", byLink, hidden)
    .get("/hmcl/:slug/*", byHmcl, hidden)
    .head("/hmcl/:slug/*", byHmcl, hidden);
}
