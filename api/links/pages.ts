import { Elysia } from "elysia";
import type { GoodLink } from "../../db/link.ts";
import { Fault } from "../../fault.ts";
import type { Api } from "../api.ts";
import { escapeHtml, htmlPage, type Language, pickLanguage } from "../html-page.ts";
import { getAskedPack, getRelease, isForAll } from "../launchers/releases.ts";
import { answerSigned } from "../redirect.ts";
import type { Caller } from "../tokens.ts";
import { describeDownload } from "../versions/archives.ts";
import { readManifest } from "../versions/service.ts";
import { openIcons, type SignIcon } from "./icons.ts";
import { linkTokenPattern } from "./known-links.ts";
import { type Shown, writeBody, writeCard } from "./page-body.ts";
import { pageTexts } from "./page-texts.ts";

type Server = { requestIP: (request: Request) => { address: string } | null } | null;
/** A request for a pack's page: by its slug, by a share link's token, or by both. */
type Asking = { request: Request; server: Server; slug?: string; token?: string };

type Pages = {
  api: Api;
  signIcon: SignIcon;
  /** Whether games sign in here. */
  hasGames: boolean;
};

const tokenForm = new RegExp(linkTokenPattern);

/**
 * The page that a pack's address and its share links lead to: for people what to do in which launcher, for chats a card, and
 * for launchers (`Accept: application/json`) the native manifest of the newest version.
 */
export function packPages(api: Api, { hasGames }: { hasGames: boolean }) {
  const pages: Pages = { api, signIcon: openIcons(api), hasGames };
  const hidden = { detail: { hide: true } };
  return new Elysia()
    .get("/p/:slug", ({ params, request, server }) => answer(pages, { request, server, ...params }), hidden)
    .get("/p/t/:token", ({ params, request, server }) => answer(pages, { request, server, ...params }), hidden)
    .get("/p/t/:token/:slug", ({ params, request, server }) => answer(pages, { request, server, ...params }), hidden)
    .get("/p/:slug/icon", ({ params, request, server }) => answerIcon(pages, { request, server, ...params }), hidden)
    .get(
      "/p/t/:token/:slug/icon",
      ({ params, request, server }) => answerIcon(pages, { request, server, ...params }),
      hidden,
    );
}

async function answer({ api, hasGames }: Pages, asking: Asking): Promise<Response> {
  const { request, token } = asking;
  if (wantsJson(request)) return answerManifest(api, asking);
  const language = readLanguage(request);
  const isSecret = token !== undefined;
  const headers = {
    "cache-control": "private, no-store",
    "referrer-policy": "no-referrer",
    vary: "accept, accept-language",
    ...(isSecret && { "x-robots-tag": "noindex, nofollow" }),
  };
  try {
    const shown = await look(api, { ...asking, language });
    if (!isSecret && shown.pack.visibility !== "public") Object.assign(headers, { "x-robots-tag": "noindex" });
    return htmlPage({
      language,
      title: shown.pack.name,
      head: writeCard(shown),
      body: writeBody({ ...shown, hasGames }),
      images: storageOrigin(api),
      headers,
    });
  } catch (error) {
    if (!(error instanceof Fault) || error.code !== "not-found") throw error;
    const text = pageTexts[language][isSecret ? "noLink" : "noPack"];
    return htmlPage({ language, title: text.title, body: `<p>${escapeHtml(text.detail)}</p>`, status: 404, headers });
  }
}

async function look(
  api: Api,
  { request, server, language, ...asking }: Asking & { language: Language },
): Promise<Omit<Shown, "hasGames">> {
  const { caller, link, slug } = await findAsker(api, { request, server, ...asking });
  const pack = await getAskedPack(api, { caller, link, slug });
  if (link) api.knownLinks.noteUse(link.id);
  const [release] = await Promise.all([
    getRelease(api, { caller, link, slug }).catch(orNothing),
    api.analytics.record({ kind: "view", subject: { kind: "pack", id: pack.id }, request, from: server, caller }),
  ]);
  const publicUrl = api.publicUrl();
  const base = asking.token === undefined ? `${publicUrl}/p/${slug}` : `${publicUrl}/p/t/${asking.token}/${slug}`;
  return { language, publicUrl, base, pack, link, row: release?.row };
}

/** Who asks for which pack. Throws `not-found` for a link that is not good, or not for that pack. */
async function findAsker(
  api: Api,
  { request, slug, token }: Asking,
): Promise<{ caller: Caller | null; link: GoodLink | null; slug: string }> {
  if (token === undefined) return { caller: await api.identify(request), link: null, slug: slug ?? "" };
  if (!tokenForm.test(token)) throw new Fault("not-found", "The link is wrong: ask whoever gave it to you");
  const link = await api.knownLinks.ask(token);
  return { caller: null, link, slug: slug ?? link.slug };
}

async function answerManifest(api: Api, asking: Asking): Promise<Response> {
  const { request, server, token } = asking;
  const slug = asking.slug ?? (await findAsker(api, asking)).slug;
  const given = await api.give({ request, server }, { slug, path: "page/manifest", token }, async (asker) => {
    const release = await getRelease(api, { ...asker, slug });
    const { bytes, etag } = await readManifest(api, release);
    const body = new Blob([bytes], { type: "application/json" });
    const isPublic = isForAll({ pack: release.pack, link: asker.link });
    return { body, etag, isPublic, download: describeDownload(release, "native") };
  });
  given.headers.set("vary", "accept, accept-language");
  return given;
}

/** The icon, or the logo where there is none, for those who may see the pack: cards and pages have no other right than the address. */
async function answerIcon({ api, signIcon }: Pages, asking: Asking): Promise<Response> {
  const asker = await findAsker(api, asking);
  const pack = await getAskedPack(api, asker);
  const url = await signIcon(pack, asking.request.method === "HEAD" ? "HEAD" : "GET");
  return answerSigned({ url, caller: asker.caller, request: asking.request });
}

/** A launcher names JSON; people's browsers name HTML, and chats anything. */
function wantsJson({ headers }: Request): boolean {
  const accept = headers.get("accept") ?? "";
  return /\bjson\b/.test(accept) && !accept.includes("text/html");
}

/** `?lang=` before Accept-Language. */
function readLanguage(request: Request): Language {
  const asked = new URL(request.url).searchParams.get("lang");
  return asked === "ru" || asked === "en" ? asked : pickLanguage(request);
}

function storageOrigin({ config, publicUrl }: Pick<Api, "config" | "publicUrl">): string {
  return new URL(config.S3_PUBLIC_ENDPOINT ?? config.S3_ENDPOINT ?? publicUrl()).origin;
}

function orNothing(error: unknown): undefined {
  if (error instanceof Fault && error.code === "not-found") return undefined;
  throw error;
}
