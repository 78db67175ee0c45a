import { encodePath } from "./addresses.ts";
import { plainLoader } from "./loaders.ts";

const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const idForm = /^[0-9A-Za-z]{8}$/;
/** 47 bits fit into 8 characters of base62. */
const shortBits = 47n;

/** One of our ids (a UUID) as Modrinth writes ids: 8 characters of base62, made of its last 47 bits. */
export function writeShortId(uuid: string): string {
  let rest = BigInt.asUintN(Number(shortBits), BigInt(`0x${uuid.slice(-12)}`));
  let text = "";
  for (; text.length < 8; rest /= 62n) text = `${alphabet[Number(rest % 62n)]}${text}`;
  return text;
}

/** The last 47 bits of the id that such a text was made of; undefined when it is none. */
export function readShortId(text: string): number | undefined {
  if (!idForm.test(text)) return undefined;
  const value = [...text].reduce((sum, character) => sum * 62 + alphabet.indexOf(character), 0);
  return value < 2 ** Number(shortBits) ? value : undefined;
}

type Visibility = "private" | "unlisted" | "public";

/** A file of a Version: where its bytes are and what they hash to. */
export type ModrinthFile = {
  url: string;
  filename: string;
  sha1: string | null;
  sha512: string | null;
  sizeBytes: number | null;
  primary: boolean;
};

/** What a Version is rendered of. */
export type ModrinthVersion = {
  id: string;
  packId: string;
  packName: string;
  visibility: Visibility;
  version: string;
  channel: "release" | "beta" | "alpha";
  minecraft: string;
  loaderName: string | null;
  changelog: string;
  publishedAt: Date;
  isYanked: boolean;
};

/** Loaders as Modrinth names them; `minecraft` where there is none. */
export const modrinthLoader = (name: string | null) => (name === null ? "minecraft" : plainLoader(name));

/** A published version of a pack as a Version of Modrinth's API v2 (docs.modrinth.com/api). No person is named: the pack stands for its authors. */
export function renderModrinthVersion(version: ModrinthVersion, files: ModrinthFile[]) {
  const { id, packId, packName, visibility, channel, minecraft, loaderName, changelog, publishedAt, isYanked } =
    version;
  return {
    id: writeShortId(id),
    project_id: writeShortId(packId),
    author_id: writeShortId(packId),
    featured: false,
    name: `${packName} ${version.version}`,
    version_number: version.version,
    changelog,
    changelog_url: null,
    date_published: publishedAt.toISOString(),
    downloads: 0,
    version_type: channel,
    status: isYanked ? "archived" : visibility === "public" ? "listed" : "unlisted",
    requested_status: null,
    files: files.map(({ url, filename, sha1, sha512, sizeBytes, primary }) => ({
      hashes: { ...(sha1 !== null && { sha1 }), ...(sha512 !== null && { sha512 }) },
      url,
      filename,
      primary,
      size: sizeBytes ?? 0,
      file_type: null,
    })),
    dependencies: [],
    game_versions: [minecraft],
    loaders: [modrinthLoader(loaderName)],
    environment: "client_and_server",
  };
}

/** What a Project is rendered of. */
export type ModrinthPack = {
  id: string;
  slug: string;
  name: string;
  summary: string;
  description: string;
  licence: string;
  tags: string[];
  links: Record<string, string>;
  visibility: Visibility;
  minecraft: string[];
  loaders: string[];
  hasIcon: boolean;
  createdAt: Date;
  updatedAt: Date;
  versionIds: string[];
  downloads: number;
  followers: number;
};

const statuses: Record<Visibility, string> = { public: "approved", unlisted: "unlisted", private: "private" };

/** A pack as a Project of Modrinth's API v2. `publicUrl` is where the icon's address begins. */
export function renderModrinthProject(pack: ModrinthPack, { publicUrl }: { publicUrl: string }) {
  const id = writeShortId(pack.id);
  const link = (name: string) => pack.links[name] ?? null;
  return {
    id,
    slug: pack.slug,
    project_type: "modpack",
    team: id,
    organization: null,
    title: pack.name,
    description: pack.summary,
    body: pack.description,
    body_url: null,
    published: pack.createdAt.toISOString(),
    updated: pack.updatedAt.toISOString(),
    approved: pack.createdAt.toISOString(),
    queued: null,
    status: statuses[pack.visibility],
    requested_status: null,
    moderator_message: null,
    license: { id: pack.licence || "LicenseRef-Unknown", name: pack.licence, url: null },
    client_side: "required",
    server_side: "optional",
    downloads: pack.downloads,
    followers: pack.followers,
    categories: pack.tags,
    additional_categories: [],
    game_versions: pack.minecraft,
    loaders: pack.loaders.map(modrinthLoader),
    versions: pack.versionIds.map(writeShortId),
    icon_url: pack.hasIcon ? `${publicUrl}/p/${pack.slug}/icon` : null,
    issues_url: link("issues"),
    source_url: link("source"),
    wiki_url: link("wiki"),
    discord_url: link("discord"),
    donation_urls: [],
    gallery: [],
    color: null,
    thread_id: id,
    monetization_status: "demonetized",
  };
}

/** Address of a version's mrpack. */
export const mrpackAddress = (publicUrl: string, { slug, version }: { slug: string; version: string }) =>
  `${publicUrl}/p/${slug}/${encodePath(version)}.mrpack`;
