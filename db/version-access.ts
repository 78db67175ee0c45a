import type { Reader } from "./blob.ts";
import type { PackRole } from "./pack.ts";
import { type Db, one } from "./query.ts";

/** The pack of a published version that this reader may see. */
export function findVersionPack(
  db: Db,
  { versionId, reader }: { versionId: string; reader: Reader },
): Promise<{ slug: string } | undefined> {
  return one(db, {
    name: "version_find_pack",
    text: `select p.slug from pack.version v join pack.pack p on p.id = v.pack_id where v.id = $1 and v.state = 'published' and pack.can_read(p, $2, $3)`,
    values: [versionId, reader.userId, reader.roles],
  });
}

/** The role of this reader in the pack of a version, whatever its state; undefined when there is no such version. */
export function findVersionRole(
  db: Db,
  { versionId, reader }: { versionId: string; reader: Reader },
): Promise<{ role: PackRole | null } | undefined> {
  return one(db, {
    name: "version_find_role",
    text: `select pack.role_of(p, $2, $3) as role from pack.version v join pack.pack p on p.id = v.pack_id where v.id = $1 and p.deleted_at is null`,
    values: [versionId, reader.userId, reader.roles],
  });
}
