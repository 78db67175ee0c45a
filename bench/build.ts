import { createWriteStream } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { readConfig } from "../config.ts";
import { listFiles } from "../db/version-file.ts";
import { type Deps, openDeps } from "../deps.ts";
import type { BuildArchive } from "../queues/build-archive.ts";
import { testLog } from "../tests/harness.ts";
import { handle } from "../workers/build-archive.ts";
import { zipStream } from "../zip.ts";
import { type Bench, command } from "./bench.ts";
import { planFiles, writeFiles } from "./content.ts";
import { compare, timeSeconds } from "./measure.ts";
import { openSystem, publishFolder } from "./system.ts";

const rounds = 9;

/** An archive of 300 files and 35 MB: the packing alone, and the whole actor, which also syncs and digests what it wrote. */
export const bench: Bench = {
  name: "build",
  programs: { zip: "zip" },
  run: async ({ folder, stack, report }) => {
    const system = await openSystem({ folder, stack });
    const pack = join(folder, "pack");
    await writeFiles(pack, planFiles({ count: 300, totalBytes: 35_000_000 }));
    await publishFolder(pack, { slug: "build", system });
    const config = readConfig({ environment: system.environment });
    const deps = await openDeps({ config, log: testLog, name: "bench", publicUrl: () => system.url });
    stack.defer(deps.close);
    const versionId = await findVersionId(deps);
    const out = join(folder, "out");
    await mkdir(out);
    const zip = () =>
      timeSeconds(() => command(["zip", "-0", "-q", "-r", join(out, "theirs.zip"), "."], { cwd: pack })).finally(() =>
        rm(join(out, "theirs.zip")),
      );
    const sides = { reference: "zip -0 -r", unit: "s", as: "theirs over ours", rounds, theirs: zip } as const;
    report(
      await compare({
        ...sides,
        what: "build, packing from storage into a file, times faster",
        aim: { atLeast: 2.5 },
        ours: () => timeSeconds(() => packOnly(deps, { versionId, path: join(out, "ours.zip") })),
      }),
    );
    report(
      await compare({
        ...sides,
        what: "build, the whole actor (rows, all digests, synced), times faster",
        aim: { atLeast: 2.5 },
        ours: () => buildOnce(deps, { versionId, format: "zip", side: "both", base: "" }),
      }),
    );
  },
};

async function findVersionId({ db }: Deps): Promise<string> {
  const { rows } = await db.query({ name: "bench_version", text: "select id from pack.version", values: [] });
  const [row] = rows;
  if (typeof row !== "object" || row === null || !("id" in row))
    throw new Error("Cannot measure: nothing is published");
  return String(row.id);
}

async function packOnly({ db, storage }: Deps, { versionId, path }: { versionId: string; path: string }) {
  const signal = AbortSignal.timeout(60_000);
  const entries = (await listFiles(db, versionId)).map(({ path, sizeBytes, crc32, key }) => ({
    path,
    sizeBytes: sizeBytes ?? 0,
    crc32: crc32 ?? 0,
    open: () => storage.read(key ?? "", { signal }),
  }));
  await pipeline(zipStream(entries, { signal }), createWriteStream(path));
}

/** Runs the actor's handler, and then forgets the archive, so that it is built again. */
async function buildOnce(deps: Deps, payload: BuildArchive): Promise<number> {
  const run = { payload, wanted: 1, deps, log: testLog, progress: () => undefined };
  const seconds = await timeSeconds(() => handle({ ...run, signal: AbortSignal.timeout(60_000) }));
  await deps.db.query({ name: "bench_forget", text: "delete from pack.archive", values: [] });
  return seconds;
}
