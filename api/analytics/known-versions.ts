import { listReportedVersions, type ReportedVersion } from "../../db/analytics-subject.ts";
import type { Db } from "../../db/query.ts";
import { toReader } from "../caller.ts";
import type { Caller } from "../tokens.ts";

export type KnownVersions = {
  /** Of these versions, by "slug version", those that are published and that the caller may see. */
  find: (asked: { slug: string; version: string }[], caller: Caller | null) => Promise<Map<string, ReportedVersion>>;
};

const keptMs = 10_000;
const maxKept = 10_000;

/** Remembers versions of public packs for 10 s: what launchers tell is mostly about a few, and hidden ones count no worse for it. */
export function openKnownVersions(db: Db): KnownVersions {
  const kept = new Map<string, { row: ReportedVersion; until: number }>();
  return {
    find: async (asked, caller) => {
      const now = performance.now();
      const found = new Map<string, ReportedVersion>();
      const unknown = asked.filter(({ slug, version }) => {
        const entry = kept.get(`${slug} ${version}`);
        if (!entry || entry.until < now) return true;
        found.set(`${slug} ${version}`, entry.row);
        return false;
      });
      if (unknown.length === 0) return found;
      const [slugs, versions] = [unknown.map(({ slug }) => slug), unknown.map(({ version }) => version)];
      for (const row of await listReportedVersions(db, { slugs, versions, reader: toReader(caller) })) {
        const key = `${row.slug} ${row.version}`;
        found.set(key, row);
        if (!row.isPublic) continue;
        if (kept.size >= maxKept) kept.clear();
        kept.set(key, { row, until: now + keptMs });
      }
      return found;
    },
  };
}
