import { findGrantedZip, findReadableZip, listModNames, listModVersions, type SolderZipRow } from "../../db/solder.ts";
import { Fault } from "../../fault.ts";
import { prettyName, toNumber, zipPath } from "../../formats/solder.ts";
import type { Api } from "../api.ts";
import { signBlob } from "../blobs/service.ts";
import { toReader } from "../caller.ts";
import { answerSigned } from "../redirect.ts";
import type { Caller } from "../tokens.ts";
import { makeBody } from "../versions/give.ts";
import type { Looked } from "../versions/public-answers.ts";
import { type Asking, isText, refuse, type Viewer } from "./asking.ts";
import { linkBase } from "./packs.ts";
import { readTicket } from "./tickets.ts";

const mostMods = 5_000;
const mostVersions = 500;

type Asked = Pick<Viewer, "link"> & { token?: string | undefined; slug: string };

const shownTo = ({ link }: Asked) => ({ packId: link?.packId ?? null, channel: link?.channel ?? null });

/** Mods of all public packs, or of a share link's pack, by their names. */
export async function listMods({ db }: Api, asked: Asked): Promise<Looked> {
  const names = await listModNames(db, { ...shownTo(asked), limit: mostMods });
  return answer(asked, { mods: Object.fromEntries(names.map((name) => [name, prettyName(name)])) });
}

export async function getMod({ db }: Api, { name, ...asked }: Asked & { name: string }): Promise<Looked> {
  const versions = await listModVersions(db, { ...shownTo(asked), name, limit: mostVersions });
  if (versions.length === 0) throw refuse("Mod does not exist");
  const told = { id: toNumber(name), name, pretty_name: prettyName(name), author: "", description: "", link: "" };
  return answer(asked, { ...told, versions: versions.map(({ version }) => version) });
}

export async function getModVersion(
  api: Api,
  { name, version, ...asked }: Asked & { name: string; version: string },
): Promise<Looked> {
  const versions = await listModVersions(api.db, { ...shownTo(asked), name, limit: mostVersions });
  if (versions.length === 0) throw refuse("Mod does not exist");
  const mod = versions.find((one) => one.version === version);
  if (!mod) throw refuse("Mod version does not exist");
  const { token, slug } = asked;
  const base = token === undefined ? api.publicUrl() : linkBase(api, { token, slug });
  const url = `${base}/solder/${zipPath(mod)}`;
  return answer(asked, { id: toNumber(`${name} ${version}`), md5: mod.md5, filesize: mod.sizeBytes, url });
}

const answer = ({ link }: Asked, value: object): Looked => ({
  ...makeBody(JSON.stringify(value), "application/json"),
  isPublic: link === null,
});

type Zip = { name: string; file: string };

/** Sends on to a zip of a pack that the caller may see. */
export async function redirectToZip(
  api: Api,
  { caller, request, ...zip }: Zip & { caller: Caller | null; request: Request },
): Promise<Response> {
  const found = await findReadableZip(api.db, { ...readZip(zip), reader: toReader(caller) });
  return redirect(api, { zip, found, caller, request });
}

/** The same with a ticket for one version. */
export async function redirectByTicket(
  api: Api,
  { ticket, request, ...zip }: Zip & { ticket: string; request: Request },
): Promise<Response> {
  const versionId = readTicket(api.seal, ticket);
  if (versionId === undefined) throw refuse("This address is wrong or too old: ask for the build again");
  const found = await findGrantedZip(api.db, { ...readZip(zip), versionId });
  return redirect(api, { zip, found, caller: null, request });
}

/** The same by a share link. */
export async function redirectByLink(
  api: Api,
  { slug, asking, ...zip }: Zip & { slug: string; asking: Asking & { token: string } },
): Promise<Response> {
  const link = api.knownLinks.find(asking.token) ?? (await api.knownLinks.ask(asking.token));
  if (link.slug !== slug) throw new Fault("not-found", `This link is not for "${slug}"`);
  const found = await findGrantedZip(api.db, { ...readZip(zip), packId: link.packId, channel: link.channel });
  return redirect(api, { zip, found, caller: null, request: asking.request });
}

type Found = { zip: Zip; found: SolderZipRow | undefined; caller: Caller | null; request: Request };

async function redirect({ storage }: Api, { zip, found, caller, request }: Found): Promise<Response> {
  if (!found) throw refuse("Mod version does not exist");
  const method = request.method === "HEAD" ? "HEAD" : "GET";
  const url = await signBlob({ storage, blob: found, method, fileName: zip.file });
  return answerSigned({ url, caller, request });
}

/** `{name}-{version}.zip`, as launchers put it together. */
function readZip({ name, file }: Zip): { name: string; version: string } {
  if (!isText(file) || !file.startsWith(`${name}-`) || !file.endsWith(".zip"))
    throw refuse("Mod version does not exist");
  return { name, version: file.slice(name.length + 1, -".zip".length) };
}
