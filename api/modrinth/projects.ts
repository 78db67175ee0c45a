import { findTotal } from "../../db/analytics-rollup.ts";
import { countFollows } from "../../db/follow.ts";
import { listCandidates, listFoundVersions, listProjects, type Project } from "../../db/modrinth.ts";
import { readShortId, renderModrinthProject, writeShortId } from "../../formats/modrinth.ts";
import { toReader } from "../caller.ts";
import type { Caller } from "../tokens.ts";
import type { Filter } from "./model.ts";
import { fits, type Lookups, renderVersions, type Version } from "./versions.ts";

const slugForm = /^[a-z0-9-]{2,64}$/;
const mostVersions = 100;

type Asked = { caller: Caller | null };

/** A pack by its short id, or else by its slug; an id before a slug that looks like it. */
export async function findProject(
  lookups: Lookups,
  { caller, name }: Asked & { name: string },
): Promise<Project | undefined> {
  const found = await findProjects(lookups, { caller, names: [name] });
  return found.find(({ id }) => writeShortId(id) === name) ?? found[0];
}

export function findProjects({ db }: Lookups, { caller, names }: Asked & { names: string[] }): Promise<Project[]> {
  const shortIds = names.map(readShortId).filter((id) => id !== undefined);
  const slugs = names.filter((name) => slugForm.test(name));
  return listProjects(db, { reader: toReader(caller), shortIds, slugs });
}

/** A pack with what is counted of it. */
export async function renderProject({ db, publicUrl }: Lookups, pack: Project) {
  const [{ count: downloads }, { followers }] = await Promise.all([
    findTotal(db, { subjectId: pack.id, kind: "download" }),
    countFollows(db, { subject: { packId: pack.id }, userId: null }),
  ]);
  return renderModrinthProject({ ...pack, downloads, followers }, { publicUrl: publicUrl() });
}

type Listing = Asked & { project: Project; filter: Filter; limit: number | undefined; offset: number | undefined };

/** A pack's versions that fit, newest first. */
export async function listProjectVersions(
  lookups: Lookups,
  { caller, project, filter, limit = mostVersions, offset = 0 }: Listing,
): Promise<Version[]> {
  const candidates = await listCandidates(lookups.db, { packIds: [project.id], most: 1_000 });
  const ids = candidates.filter((one) => fits(one, filter)).map(({ id }) => id);
  const wanted = ids.slice(offset, offset + Math.min(limit, mostVersions));
  const found = new Map((await listFoundVersions(lookups.db, wanted)).map((row) => [row.id, row]));
  return renderVersions(lookups, { caller, versions: wanted.flatMap((id) => found.get(id) ?? []) });
}
