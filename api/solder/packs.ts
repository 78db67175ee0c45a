import { listPacks, type PackRow } from "../../db/pack.ts";
import { listBuilds, listMd5 } from "../../db/solder.ts";
import { Fault } from "../../fault.ts";
import { describePack } from "../../formats/solder.ts";
import type { Api } from "../api.ts";
import { toReader } from "../caller.ts";
import { getAskedPack, isForAll } from "../launchers/releases.ts";
import { makeBody } from "../versions/give.ts";
import type { Looked } from "../versions/public-answers.ts";
import { refuse, type Viewer } from "./asking.ts";

const mostPacks = 200;
const mostBuilds = 500;

/** What every address beneath a share link begins with. */
export const linkBase = ({ publicUrl }: Pick<Api, "publicUrl">, { token, slug }: { token: string; slug: string }) =>
  `${publicUrl()}/p/t/${token}/${slug}`;

type Asked = Viewer & { token?: string | undefined; slug: string };

/** One modpack with its builds. */
export async function getSolderPack(api: Api, asked: Asked): Promise<Looked> {
  const pack = await getAskedPack(api, asked).catch((error: unknown) => {
    throw error instanceof Fault && error.code === "not-found" ? refuse("Modpack does not exist") : error;
  });
  const [shown] = await describePacks(api, { packs: [pack], ...asked });
  return { ...makeBody(JSON.stringify(shown), "application/json"), isPublic: isForAll({ pack, link: asked.link }) };
}

/**
 * The modpacks that somebody may see: of a share link its own; else public ones and those that he works on or was let into, at
 * most 200. `full` tells all of each.
 */
export async function listSolderPacks(api: Api, { full, ...asked }: Asked & { full: boolean }): Promise<Looked> {
  const { caller, link, clientPacks, token, slug } = asked;
  const packs = link
    ? [await getAskedPack(api, { caller, link, slug })]
    : [...(await listClientPacks(api, clientPacks)), ...(await findPacks(api, toReader(caller)))];
  const unique = [...new Map(packs.map((pack) => [pack.slug, pack])).values()].sort((a, b) =>
    a.slug < b.slug ? -1 : 1,
  );
  const shown = full ? await describePacks(api, { ...asked, packs: unique }) : [];
  const names = full ? shown.map((pack) => [pack.name, pack]) : unique.map((pack) => [pack.slug, pack.name]);
  const mirror = token === undefined ? api.publicUrl() : linkBase(api, { token, slug });
  const text = JSON.stringify({ modpacks: Object.fromEntries(names), mirror_url: `${mirror}/solder/` });
  const isPublic = caller === null && link === null && clientPacks.length === 0;
  return { ...makeBody(text, "application/json"), isPublic };
}

function findPacks({ db }: Pick<Api, "db">, reader: ReturnType<typeof toReader>): Promise<PackRow[]> {
  const all = { query: null, tag: null, minecraft: null, loader: null, organization: null, after: null };
  return listPacks(db, { ...all, reader, limit: mostPacks });
}

function listClientPacks(api: Api, packs: Viewer["clientPacks"]): Promise<PackRow[]> {
  return Promise.all(
    packs.map((pack) => getAskedPack(api, { caller: null, link: { id: "", ...pack, channel: null }, slug: pack.slug })),
  );
}

type Describing = Pick<Asked, "link" | "token"> & { packs: PackRow[] };

async function describePacks(api: Api, { packs, link, token }: Describing) {
  const { db, publicUrl } = api;
  const packIds = packs.map(({ id }) => id);
  const builds = Map.groupBy(
    await listBuilds(db, { packIds, channel: link?.channel ?? null, limit: mostBuilds }),
    ({ packId }) => packId,
  );
  const pictures = packs.flatMap(({ iconSha256, logoSha256, backgroundSha256 }) => [
    ...[iconSha256, logoSha256, backgroundSha256].filter((sha256) => sha256 !== null),
  ]);
  const md5 = new Map((await listMd5(db, pictures)).map((row) => [row.sha256, row.md5]));
  return packs.map((pack) => {
    const { id, slug, name, visibility } = pack;
    const linked = token === undefined ? undefined : linkBase(api, { token, slug });
    // Pictures of a private pack are behind a sign-in, which no launcher has here; a link shows the icon.
    const picture = (sha256: string | null, byLink?: string) => {
      const url = visibility === "private" ? byLink : `${publicUrl()}/v1/blobs/${sha256}`;
      const digest = sha256 === null ? undefined : md5.get(sha256);
      return digest === undefined || url === undefined ? null : { url, md5: digest };
    };
    const page = visibility === "private" ? null : `${publicUrl()}/p/${slug}`;
    return describePack({
      id,
      slug,
      name,
      url: linked ?? page,
      icon: picture(pack.iconSha256, linked && `${linked}/icon`),
      logo: picture(pack.logoSha256),
      background: picture(pack.backgroundSha256),
      builds: builds.get(id) ?? [],
      channel: link?.channel ?? "release",
    });
  });
}
