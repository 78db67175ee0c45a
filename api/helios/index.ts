import { Elysia } from "elysia";
import { findProfile } from "../../db/loader.ts";
import { listPacks, type PackRow } from "../../db/pack.ts";
import { listReleases } from "../../db/release.ts";
import { Fault } from "../../fault.ts";
import { describeServer, renderDistribution } from "../../formats/helios.ts";
import type { KnownLoader } from "../../formats/helios-loader.ts";
import { findLoaderKey } from "../../formats/loaders.ts";
import type { Manifest } from "../../formats/manifest.ts";
import { isLoaderKey } from "../../loader-profile.ts";
import type { Api } from "../api.ts";
import { type Asker, getRelease, isForAll } from "../launchers/releases.ts";
import { describeDownload } from "../versions/archives.ts";
import { makeBody } from "../versions/give.ts";
import type { Looked } from "../versions/public-answers.ts";
import { findLoaders } from "./loaders.ts";

const mostPacks = 100;
const everybody = { userId: null, roles: [] };
const detail = { hide: true };

/** Distributions for Helios Launcher: of all public packs that it can install, of one, and beneath share links. */
export function helios(api: Api) {
  const described: Described = new Map();
  return new Elysia()
    .get(
      "/helios/distribution.json",
      ({ request, server }) =>
        api.give({ request, server }, { slug: "*", path: "helios" }, () => listServers(api, described)),
      { detail },
    )
    .get(
      "/helios/:slug/distribution.json",
      ({ params: { slug }, request, server }) =>
        api.give({ request, server }, { slug, path: "helios" }, (asker) => getServer(api, { ...asker, slug })),
      { detail },
    )
    .get(
      "/p/t/:token/:slug/helios/distribution.json",
      ({ params: { slug, token }, request, server }) =>
        api.give({ request, server }, { slug, token, path: "helios" }, (asker) =>
          getServer(api, { ...asker, slug, token }),
        ),
      { detail },
    )
    .get(
      "/helios/loaders/:name/:minecraft/:file",
      ({ params: { name, minecraft, file }, request, server }) =>
        api.give({ request, server }, { slug: "*", path: `helios/loaders/${name}/${minecraft}/${file}` }, () =>
          getProfile(api, { name, minecraft, version: /^(.+)\.json$/.exec(file)?.[1] ?? "" }),
        ),
      { detail },
    );
}

type Asked = Asker & { slug: string; token?: string };

/** One pack as a distribution. 409 with the reason when the launcher could not install it. */
async function getServer(api: Api, { token, ...asked }: Asked): Promise<Looked> {
  const release = await getRelease(api, asked);
  const { pack, row, manifest } = release;
  const key = findLoaderKey(manifest);
  const loaders = await findLoaders(api, key ? [key] : []);
  const described = describe(api, { pack, manifest, token, loader: await loaders.read(key) });
  if ("reason" in described)
    throw new Fault(
      "conflict",
      `Cannot show version "${row.version}" of "${pack.slug}" to Helios: ${described.reason}`,
    );
  return {
    ...makeBody(renderDistribution([JSON.stringify(described.server)]), "application/json"),
    isPublic: isForAll({ pack, link: asked.link }),
    download: describeDownload(release, "helios"),
  };
}

/** What a loader is started by, as its makers told it. */
async function getProfile({ db }: Api, key: Record<"name" | "minecraft" | "version", string>): Promise<Looked> {
  const profile = isLoaderKey(key) ? await findProfile(db, key) : undefined;
  if (!profile) throw new Fault("not-found", `The profile of ${key.name} ${key.version} is not here`);
  return { ...makeBody(profile, "application/json"), isPublic: true };
}

/** By pack: what it was made of, and the server as JSON; null where the launcher could not install it. */
type Described = Map<string, { of: string; server: string | null }>;

/**
 * The public packs that were changed last, at most 100, by their slugs. What the launcher could not install is left out.
 * Only packs that have changed since the last time are described anew: a manifest may be megabytes.
 */
async function listServers(api: Api, described: Described): Promise<Looked> {
  const all = { query: null, tag: null, minecraft: null, loader: null, organization: null, after: null };
  const packs = await listPacks(api.db, { ...all, reader: everybody, limit: mostPacks });
  const releases = await listReleases(
    api.db,
    packs.map(({ id }) => id),
  );
  const byPack = new Map(releases.map((release) => [release.packId, release]));
  const loaders = await findLoaders(
    api,
    releases.flatMap((release) => findLoaderKey(release) ?? []),
  );
  const now: Described = new Map();
  for (const pack of packs.sort((a, b) => (a.slug < b.slug ? -1 : 1))) {
    const release = byPack.get(pack.id);
    if (!release) continue;
    const key = findLoaderKey(release);
    const page = [pack.name, pack.summary, pack.iconSha256, pack.logoSha256, api.publicUrl()];
    const of = JSON.stringify([release.id, ...page, loaders.tagOf(key)]);
    const known = described.get(pack.id);
    if (known?.of === of) now.set(pack.id, known);
    else {
      const manifest = await readManifest(api, release);
      const fresh = manifest && describe(api, { pack, manifest, loader: await loaders.read(key) });
      now.set(pack.id, { of, server: fresh && "server" in fresh ? JSON.stringify(fresh.server) : null });
    }
  }
  described.clear();
  for (const [id, entry] of now) described.set(id, entry);
  const servers = [...now.values()].flatMap(({ server }) => server ?? []);
  return { ...makeBody(renderDistribution(servers), "application/json"), isPublic: true };
}

/** Undefined when the version was withdrawn at this moment. */
async function readManifest(api: Api, release: { id: string; version: string }): Promise<Manifest | undefined> {
  try {
    return (await api.manifests.get(release)).manifest;
  } catch (error) {
    if (error instanceof Fault && error.code === "gone") return undefined;
    throw error;
  }
}

type Describing = { pack: PackRow; manifest: Manifest; token?: string | undefined; loader: KnownLoader | undefined };

function describe(
  { publicUrl }: Api,
  { pack, manifest, token, loader }: Describing,
): ReturnType<typeof describeServer> {
  const base = token === undefined ? `${publicUrl()}/p/${pack.slug}` : `${publicUrl()}/p/t/${token}/${pack.slug}`;
  const hasIcon = pack.iconSha256 !== null || pack.logoSha256 !== null;
  return describeServer(manifest, {
    name: pack.name,
    summary: pack.summary,
    icon: hasIcon ? `${base}/icon` : "",
    loader,
    blobs: token === undefined ? `${publicUrl()}/v1/blobs` : `${base}/blobs`,
  });
}
