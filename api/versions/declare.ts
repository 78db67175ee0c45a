import type { Config } from "../../config.ts";
import type { DeclaredFile as DeclaredRow } from "../../db/version-file.ts";
import { Fault, type FaultPlace } from "../../fault.ts";
import type { ManifestGroup } from "../../formats/manifest.ts";
import { hostMatches, parseHostPatterns } from "../../outbound.ts";
import { checkPath, findPathClashes } from "../../paths.ts";
import { requireGroups } from "./declare-groups.ts";
import type { DeclaredFile } from "./model.ts";

const maxTold = 20;

/** Checks what an author declares, and says all that is wrong with it at once: 422, or 413 past a limit. */
export function readDeclared(
  files: DeclaredFile[],
  { config, mirror = false, groups }: { config: Config; mirror: boolean | undefined; groups: ManifestGroup[] | null },
): DeclaredRow[] {
  if (files.length > config.LIMIT_PACK_FILES)
    throw new Fault(
      "too-large",
      `Cannot accept the version: it has ${files.length} files, this server takes up to ${config.LIMIT_PACK_FILES}`,
    );
  const sizeBytes = files.reduce((sum, file) => sum + (file.size ?? 0), 0);
  if (sizeBytes > config.LIMIT_PACK_BYTES)
    throw new Fault(
      "too-large",
      `Cannot accept the version: it has ${sizeBytes} bytes, this server takes up to ${config.LIMIT_PACK_BYTES}`,
    );
  requirePaths(files);
  requireOneSize(files);
  requireGroups(groups ?? [], files);
  const required = new Map((groups ?? []).map((group) => [group.id, group.required ?? false]));
  const patterns = parseHostPatterns(config.MIRROR_HOSTS.join(","));
  return files.map((file) => declare(file, { patterns: mirror ? patterns : undefined, required }));
}

type Rules = { patterns: string[] | undefined; required: ReadonlyMap<string, boolean> };

function declare(file: DeclaredFile, { patterns, required }: Rules): DeclaredRow {
  const { path, side, group, preserve = false } = file;
  // So that launchers that know no groups treat its files as they should.
  const optional = group === undefined ? (file.optional ?? false) : !required.get(group);
  const common = { path, side, optional, preserve, groupId: group ?? null };
  if (!("url" in file))
    return {
      ...common,
      sha256: file.sha256,
      sizeBytes: file.size,
      url: null,
      digests: null,
      mirror: null,
      mirrorReason: null,
    };
  const { url, digests, size } = file;
  const reference = { ...common, sha256: digests.sha256 ?? null, sizeBytes: size ?? null, url, digests };
  if (!patterns) return { ...reference, mirror: null, mirrorReason: null };
  const { hostname } = new URL(url);
  if (hostMatches(hostname, patterns)) return { ...reference, mirror: "wanted", mirrorReason: null };
  return { ...reference, mirror: null, mirrorReason: `the operator does not allow mirroring from ${hostname}` };
}

function requirePaths(files: DeclaredFile[]): void {
  const places: FaultPlace[] = [];
  for (const [index, { path }] of files.entries()) {
    const reason = checkPath(path);
    if (reason) places.push({ pointer: `/files/${index}/path`, detail: `${show(path)}: ${reason}` });
  }
  if (places.length === 0) {
    const indexes = new Map(files.map(({ path }, index) => [path, index]));
    for (const { path, reason } of findPathClashes(files.map((file) => file.path)))
      places.push({ pointer: `/files/${indexes.get(path)}/path`, detail: `${show(path)}: ${reason}` });
  }
  if (places.length > 0) {
    throw new Fault(
      "invalid",
      `Cannot accept the version: ${places.length} paths are not allowed, the first is ${places[0]?.detail}`,
      { errors: places.slice(0, maxTold) },
    );
  }
}

/** A path as a problem shows it: escaped, and cut where it is absurdly long. */
const show = (path: string) => (path.length > 500 ? `${JSON.stringify(path.slice(0, 500))}…` : JSON.stringify(path));

function requireOneSize(files: DeclaredFile[]): void {
  const sizes = new Map<string, number>();
  for (const [index, file] of files.entries()) {
    if ("url" in file) {
      if (!URL.canParse(file.url))
        throw new Fault("invalid", `Cannot accept "${file.path}": its address is not a URL`, {
          errors: [{ pointer: `/files/${index}/url`, detail: "is not a URL" }],
        });
      continue;
    }
    const known = sizes.get(file.sha256);
    if (known !== undefined && known !== file.size)
      throw new Fault("invalid", `Cannot accept "${file.path}": the same digest stands elsewhere with another size`, {
        errors: [{ pointer: `/files/${index}/size`, detail: `is not ${known}` }],
      });
    sizes.set(file.sha256, file.size);
  }
}
