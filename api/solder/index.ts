import { Elysia, t } from "elysia";
import { Fault } from "../../fault.ts";
import type { Api } from "../api.ts";
import type { Looked } from "../versions/public-answers.ts";
import { type Asking, answerSolder, giveSolder, isText, refuse, type Viewer } from "./asking.ts";
import { getBuild } from "./builds.ts";
import { findKey } from "./keys.ts";
import { manageSolder } from "./manage.ts";
import { getMod, getModVersion, listMods, redirectByLink, redirectByTicket, redirectToZip } from "./mods.ts";
import { getSolderPack, listSolderPacks } from "./packs.ts";

/** Whose read API this speaks: Technic Solder 1.1.3. Launchers and the platform look at `api`. */
const about = { api: "TechnicSolder", version: "1.1.3", stream: "Sunduk" };
const verifiesPerMinute = 10;

/** Of a share link's address; not there in others. */
const link = { token: t.Optional(t.String()), slug: t.Optional(t.String()) };
const One = t.Object({ ...link, name: t.String() });
const Two = t.Object({ ...link, name: t.String(), version: t.String() });
const Key = t.Object({ ...link, key: t.String() });
const Zip = t.Object({ name: t.String(), file: t.String() });

/** Technic Solder's read API for launchers, its zips, and who may read besides. Nothing is written through it. */
export function solder(api: Api) {
  return new Elysia()
    .use(manageSolder(api))
    .use(readApi(api, "/solder"))
    .use(readApi(api, "/p/t/:token/:slug/solder"))
    .get(
      "/solder/mods/:name/:file",
      ({ params, request }) =>
        answerSolder(async () => redirectToZip(api, { ...params, request, caller: await api.identify(request) })),
      { params: Zip, detail: { hide: true } },
    )
    .get(
      "/solder/t/:ticket/mods/:name/:file",
      ({ params, request }) => answerSolder(() => redirectByTicket(api, { ...params, request })),
      { params: t.Object({ ...Zip.properties, ticket: t.String() }), detail: { hide: true } },
    )
    .get(
      "/p/t/:token/:slug/solder/mods/:name/:file",
      ({ params: { token, ...params }, request, server }) =>
        answerSolder(() => redirectByLink(api, { ...params, asking: { request, server, token } })),
      {
        params: t.Object({ ...Zip.properties, token: t.String(), slug: t.String() }),
        detail: { hide: true },
      },
    );
}

type Visit = Omit<Asking, "token"> & { params?: { token?: string; slug?: string } };
type Shown = { token: string | undefined; slug: string };
type Wanted = { pack?: string; path: string; look: (viewer: Viewer & Shown) => Promise<Looked> };

/** The read API beneath an address: all packs, or the one of a share link. */
function readApi(api: Api, base: string) {
  const detail = { hide: true };
  const give = ({ params: { token, slug: linked } = {}, request, server }: Visit, { pack, path, look }: Wanted) =>
    answerSolder(() => {
      const others = pack !== undefined && (!isText(pack) || (linked !== undefined && pack !== linked));
      if (others) throw refuse("Modpack does not exist");
      if (!isText(path)) throw refuse(pack === undefined ? "Mod does not exist" : "Build does not exist");
      const shown = { token, slug: linked ?? pack ?? "*" };
      const question = {
        slug: shown.slug,
        path: `solder/${path}`,
        look: (viewer: Viewer) => look({ ...viewer, ...shown }),
      };
      return giveSolder(api, { request, server, token }, question);
    });
  return new Elysia({ prefix: `${base}/api` })
    .get("/", () => Response.json(about, { headers: { "cache-control": "private, no-cache" } }), { detail })
    .get(
      "/modpack",
      (visit) => {
        const full = includes(visit, "full");
        return give(visit, { path: `modpack?${full}`, look: (viewer) => listSolderPacks(api, { ...viewer, full }) });
      },
      { detail },
    )
    .get(
      "/modpack/:name",
      (visit) => give(visit, { pack: visit.params.name, path: "pack", look: (viewer) => getSolderPack(api, viewer) }),
      { params: One, detail },
    )
    .get(
      "/modpack/:name/:version",
      (visit) => {
        const { name: pack, version: build } = visit.params;
        const full = includes(visit, "mods");
        const look: Wanted["look"] = (viewer) => getBuild(api, { ...viewer, build, full });
        return give(visit, { pack, path: `build/${build}?${full}`, look });
      },
      { params: Two, detail },
    )
    .get("/mod", (visit) => give(visit, { path: "mod", look: (viewer) => listMods(api, viewer) }), { detail })
    .get(
      "/mod/:name",
      (visit) => {
        const { name } = visit.params;
        return give(visit, { path: `mod/${name}`, look: (viewer) => getMod(api, { ...viewer, name }) });
      },
      { params: One, detail },
    )
    .get(
      "/mod/:name/:version",
      (visit) => {
        const { name, version } = visit.params;
        const look: Wanted["look"] = (viewer) => getModVersion(api, { ...viewer, name, version });
        return give(visit, { path: `mod/${name}/${version}`, look });
      },
      { params: Two, detail },
    )
    .get(
      "/verify/:key",
      ({ params: { key }, request, server }) =>
        answerSolder(async () => {
          const address = api.addressOf(request, server?.requestIP(request)?.address);
          await api.rateLimits.take([{ name: "solder-verify", perMinute: verifiesPerMinute, key: address }]);
          const found = await findKey(api, key);
          if (!found) throw new Fault("not-allowed", "Invalid key provided.");
          const told = { valid: "Key validated.", name: found.name };
          return Response.json(told, { headers: { "cache-control": "no-store" } });
        }),
      { params: Key, detail },
    );
}

const includes = ({ request }: Visit, what: string) => new URL(request.url).searchParams.get("include") === what;
