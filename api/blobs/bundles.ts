import { Elysia } from "elysia";
import { listReadableBlobs } from "../../db/blob.ts";
import { listLinkedBlobs } from "../../db/link-blob.ts";
import { Fault } from "../../fault.ts";
import type { Api } from "../api.ts";
import { callers, toReader } from "../caller.ts";
import { openBundles } from "./bundle.ts";
import { LinkedPack, ManyBlobs, Urls } from "./model.ts";
import { signAll } from "./service.ts";

const perMinute = 120;

/** Many small files as one answer; and, for whoever has a share link, addresses of many. */
export function bundles(api: Api) {
  const { give } = openBundles(api);
  const linked = async ({ token, slug }: { token: string; slug: string }, sha256: string[]) => {
    const link = api.knownLinks.find(token) ?? (await api.knownLinks.ask(token));
    if (link.slug !== slug) throw new Fault("not-found", `This link is not for "${slug}"`);
    api.knownLinks.noteUse(link.id);
    return listLinkedBlobs(api.db, { sha256, packId: link.packId, channel: link.channel });
  };
  const limit = (who: string, headers: Record<string, string | number>) =>
    api.rateLimits.take([{ name: "bundles", perMinute, key: who, alone: true }], headers);
  const detail = { summary: "Small files as one tar: index.json {files, leftOut, missing}, then each by its digest" };

  // A link's holder is nobody else: his token is not read, so these come before whoever calls is asked for.
  return new Elysia({ tags: ["blobs"] })
    .post(
      "/p/t/:token/:slug/bundle",
      async ({ params, body: { sha256 }, request, server, set }) => {
        const who = api.addressOf(request, server?.requestIP(request)?.address);
        await limit(who, set.headers);
        return give({ sha256, blobs: await linked(params, sha256), who }, request.signal);
      },
      { params: LinkedPack, body: ManyBlobs, detail: { ...detail, security: [] } },
    )
    .post(
      "/p/t/:token/:slug/urls",
      async ({ params, body: { sha256 }, set }) => {
        set.headers["cache-control"] = "private, no-store";
        const urls = await signAll(api.storage, await linked(params, sha256));
        return { urls, missing: sha256.filter((digest) => !(digest in urls)) };
      },
      {
        params: LinkedPack,
        body: ManyBlobs,
        response: { 200: Urls },
        detail: { summary: "Signed addresses of many files at once, by a share link", security: [] },
      },
    )
    .use(callers(api))
    .post(
      "/v1/blobs/bundle",
      async ({ body: { sha256 }, caller, request, server, set }) => {
        const who = caller?.userId ?? api.addressOf(request, server?.requestIP(request)?.address);
        await limit(who, set.headers);
        const blobs = await listReadableBlobs(api.db, { sha256, reader: toReader(caller) });
        return give({ sha256, blobs, who }, request.signal);
      },
      { body: ManyBlobs, detail },
    );
}
