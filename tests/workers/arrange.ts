import type { ArchiveFormat } from "../../db/archive.ts";
import { insertVersion } from "../../db/draft.ts";
import { startPublishing } from "../../db/version.ts";
import { type DigestName, linkFiles, replaceFiles, type Side } from "../../db/version-file.ts";
import type { Deps } from "../../deps.ts";
import { handle as publish } from "../../workers/publish-version.ts";
import { settleAttempt } from "../../workers/settle-blob.ts";
import { storeBytes } from "../../workers/store-bytes.ts";
import { sha256 } from "../harness.ts";

type Common = { path: string; side?: Side; optional?: boolean };
export type Arranged = Common &
  (
    | { bytes: string | Uint8Array }
    | { url: string; digests: Partial<Record<DigestName, string>>; size?: number; mirror?: boolean }
  );

let made = 0;

/** Rows of a pack and one version of it, with its bytes in storage; a draft, or published. */
export async function arrangeVersion(
  deps: Deps,
  {
    files,
    loader = { name: "fabric", version: "0.16.0" },
    published = true,
  }: { files: Arranged[]; loader?: { name: string; version: string } | null; published?: boolean },
): Promise<{ versionId: string; packId: string; userId: string }> {
  const { db } = deps;
  const [userId, packId, versionId] = [Bun.randomUUIDv7(), Bun.randomUUIDv7(), Bun.randomUUIDv7()];
  const name = `arranged-${++made}`;
  await query(deps, `insert into account."user" (id, login, password_hash) values ($1, $2, '')`, [userId, name]);
  await query(deps, `insert into pack.pack (id, slug, name, owner_id) values ($1, $2, $3, $4)`, [
    packId,
    name,
    "Arranged Pack",
    userId,
  ]);
  await insertVersion(db, {
    id: versionId,
    packId,
    version: "1.2.0",
    channel: "release",
    minecraft: "1.21.1",
    loaderName: loader?.name ?? null,
    loaderVersion: loader?.version ?? null,
    changelog: "",
    contentDigest: "",
    createdBy: userId,
    expiresSeconds: 3600,
  });
  for (const file of files) if ("bytes" in file) await keepBytes(deps, file.bytes);
  const declared = files.map((file) => ({
    path: file.path,
    side: file.side ?? ("both" as const),
    optional: file.optional ?? false,
    preserve: false,
    sha256: "bytes" in file ? sha256(file.bytes) : (file.digests.sha256 ?? null),
    sizeBytes: "bytes" in file ? new Blob([file.bytes]).size : (file.size ?? null),
    url: "bytes" in file ? null : file.url,
    digests: "bytes" in file ? null : file.digests,
    mirror: "mirror" in file && file.mirror ? ("wanted" as const) : null,
    mirrorReason: null,
  }));
  await replaceFiles(db, { versionId, files: declared });
  await linkFiles(db, { versionId, sha256: declared.flatMap((file) => file.sha256 ?? []) });
  if (published) await publishNow(deps, versionId);
  return { versionId, packId, userId };
}

export async function publishNow(deps: Deps, versionId: string): Promise<void> {
  await startPublishing(deps.db, versionId);
  const settled = await call(publish, deps, { versionId });
  if (settled?.state !== "published") throw new Error(`not published: ${JSON.stringify(settled)}`);
}

async function keepBytes(deps: Deps, bytes: string | Uint8Array): Promise<void> {
  const { signal } = new AbortController();
  const stored = await storeBytes(deps, { bytes: new Blob([bytes]).stream(), signal, log: deps.log });
  await settleAttempt(deps, { ...stored, settle: async (_tx, makeBlob) => (await makeBlob()) !== undefined });
}

type Handler = (run: any) => Promise<Record<string, unknown> | undefined>;
type CallOptions = { signal?: AbortSignal; progress?: (share: number) => void };

/** Runs a handler as a pod would. */
export function call(handle: Handler, deps: Deps, payload: object, options: CallOptions = {}) {
  const { signal = new AbortController().signal, progress = () => undefined } = options;
  return handle({ payload, wanted: 1, deps, signal, progress, log: deps.log });
}

/** Runs a statement for arranging and looking. */
export async function query<Row = any>(deps: Pick<Deps, "db">, text: string, values: unknown[] = []): Promise<Row[]> {
  const name = `test_${sha256(text).slice(0, 20)}`;
  return (await deps.db.query({ name, text, values })).rows as Row[];
}

/** Objects that no row names, and rows that have no object. */
export async function findLeftovers(
  deps: Pick<Deps, "db" | "storage">,
): Promise<{ objects: string[]; rows: string[] }> {
  const blobs = await query(deps, `select key from blob.blob`);
  const others = await query(deps, `select key from blob.attempt union all select key from blob.doomed`);
  const keys = (await Array.fromAsync(deps.storage.list("blobs/"))).map(({ key }) => key);
  const named = new Set([...blobs, ...others].map((row) => row.key));
  return {
    objects: keys.filter((key) => !named.has(key)),
    rows: blobs.map((row) => row.key).filter((key) => !keys.includes(key)),
  };
}

/** The bytes of an archive that was built. */
export async function readArchive(deps: Deps, archive: { versionId: string; format: ArchiveFormat }): Promise<Buffer> {
  const [row] = await query(
    deps,
    `select b.key from pack.archive a join blob.blob b on b.id = a.blob_id where a.version_id = $1 and a.format = $2`,
    [archive.versionId, archive.format],
  );
  const { signal } = new AbortController();
  return Buffer.concat(await Array.fromAsync(await deps.storage.read(row.key, { signal })));
}
