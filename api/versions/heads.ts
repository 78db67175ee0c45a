import { Elysia } from "elysia";
import type { PackRow } from "../../db/pack.ts";
import type { Noticed } from "../analytics/recorder.ts";
import type { Api } from "../api.ts";
import { describe } from "../describe.ts";
import { isUnchanged } from "../etag.ts";
import { SlugParams } from "../packs/model.ts";
import type { Caller } from "../tokens.ts";
import { describeDownload } from "./archives.ts";
import { describeVersion } from "./describe.ts";
import { LatestQuery, Version, VersionParams } from "./model.ts";
import { type Looked, openPublicAnswers, type Question } from "./public-answers.ts";
import { getLatest, getPublished, readManifest } from "./service.ts";

type Asking = Pick<Noticed, "request"> & { server: Noticed["from"] };

const isPublic = ({ visibility, role }: PackRow) => visibility === "public" && role === null;

/** What a pack shows changes at any time, so caches ask each time; nobody but the caller may keep what is not public. */
export const headCache = (pack: PackRow) => (isPublic(pack) ? "public, no-cache" : "private, no-cache");

/**
 * What every launcher asks for again and again: the newest version and a manifest. Where the pack is public, callers
 * without a token are answered from memory; so these routes find out who calls only when it matters.
 */
export function heads(api: Api) {
  const answers = openPublicAnswers(api);

  const give = (asking: Asking, question: Question, look: (caller: Caller | null) => Promise<Looked>) => {
    const { request } = asking;
    const anonymous = !request.headers.has("authorization") && !request.headers.has("token");
    const known = anonymous ? answers.find(question) : undefined;
    return known ? respond(asking, known, null) : ask(asking, question, look);
  };
  const ask: (...asked: Parameters<typeof give>) => Promise<Response> = async (asking, question, look) => {
    const caller = await api.identify(asking.request);
    return respond(asking, caller ? await look(caller) : await answers.ask(question, () => look(null)), caller);
  };
  const respond = ({ request, server }: Asking, { body, etag, isPublic, download }: Looked, caller: Caller | null) => {
    const headers = {
      etag,
      "cache-control": isPublic ? "public, no-cache" : "private, no-cache",
      "content-type": "application/json",
    };
    if (isUnchanged(request, etag)) return new Response(null, { status: 304, headers });
    if (download) api.analytics.note({ ...download, request, from: server, caller });
    return new Response(body, { headers });
  };

  return new Elysia()
    .get(
      "/latest",
      ({ params: { slug }, query: { channel = "release" }, request, server }) =>
        give({ request, server }, { slug, path: `latest/${channel}` }, async (caller) => {
          const { pack, row } = await getLatest(api, { caller, slug, channel });
          const text = JSON.stringify(describeVersion(pack.slug, row));
          const etag = `"${new Bun.CryptoHasher("sha256").update(text).digest("hex")}"`;
          return { body: new Blob([text]), etag, isPublic: isPublic(pack) };
        }),
      {
        params: SlugParams,
        query: LatestQuery,
        detail: {
          summary: "Newest version of a channel that is not yanked",
          responses: describe({ 200: Version }),
        },
      },
    )
    .get(
      "/versions/:version/manifest",
      ({ params: { slug, version }, request, server }) =>
        give({ request, server }, { slug, path: `versions/${version}/manifest` }, async (caller) => {
          const found = await getPublished(api, { caller, slug, version });
          const { bytes, etag } = await readManifest(api, found);
          const download = describeDownload(found, "native");
          return { body: new Blob([bytes]), etag, isPublic: isPublic(found.pack), download };
        }),
      { params: VersionParams, detail: { summary: "The native manifest, frozen" } },
    );
}
