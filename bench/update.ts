import { rm } from "node:fs/promises";
import { join } from "node:path";
import { waitFor } from "../tests/harness.ts";
import { type Bench, command } from "./bench.ts";
import { planFiles, writeFiles } from "./content.ts";
import { openLine } from "./line.ts";
import { compare } from "./measure.ts";
import { clientEnvironment, openSystem, publishFolder, sunduk } from "./system.ts";

const rounds = 3;

/** How many bytes an update brings, and an install that is cut off at half and run again: all that goes to the client. */
export const bench: Bench = {
  name: "update",
  programs: {},
  run: async ({ folder, stack, report, note }) => {
    const system = await openSystem({ folder, stack });
    const pack = join(folder, "pack");
    const files = planFiles({ count: 300, totalBytes: 35_000_000 });
    await writeFiles(pack, files);
    const author = await publishFolder(pack, { slug: "update", system });
    // Mods are what changes, and the large ones of them.
    const changed = files
      .filter(({ path }) => path.startsWith("mods/"))
      .toSorted(bySize)
      .slice(0, 6);
    await writeFiles(pack, changed);
    await publishFolder(pack, { slug: "update", system, version: "1.1.0", author });
    const { url, totals } = await openLine({ roundTripMs: 0, stack, environment: system.environment, counted: true });
    const env = clientEnvironment(folder, { url });
    const argv = (version: string, target: string) => [
      sunduk,
      "pack",
      "install",
      `update@${version}`,
      target,
      "--json",
    ];
    const count = async (work: () => Promise<unknown>) => {
      const before = totals.bytesToClient;
      await work();
      return totals.bytesToClient - before;
    };
    const target = join(folder, "target");
    const install = (version: string) => count(() => command(argv(version, target), { env }));
    const changedBytes = changed.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    const manifest = await system.call("GET", "/v1/packs/update/versions/1.1.0/manifest");
    const update = async () => {
      await install("1.0.0");
      return install("1.1.0");
    };
    note(`six of 300 files change, ${changedBytes} bytes; the manifest has ${manifest.text.length}, unpacked`);
    const sides = { reference: "the bytes of the files that changed", unit: " bytes", rounds } as const;
    const theirs = async () => changedBytes;
    report(await compare({ ...sides, what: "update, all bytes", aim: { atMost: 1.02 }, ours: update, theirs }));
    await rm(target, { recursive: true });

    const whole = async () => {
      const bytes = await install("1.1.0");
      await rm(target, { recursive: true });
      return bytes;
    };
    const half = files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) / 2;
    /** Kills an install at half and runs it again: what went to the client in both runs, and what of the first had reached its disk. */
    const cutAtHalf = async () => {
      let onDisk = 0;
      const first = await count(async () => {
        const before = totals.bytesToClient;
        const child = Bun.spawn(argv("1.1.0", target), {
          env: { PATH: process.env.PATH ?? "", ...env },
          stdout: "ignore",
          stderr: "ignore",
        });
        await waitFor(() => totals.bytesToClient - before > half, "half of the bytes");
        child.kill("SIGKILL");
        await child.exited;
        const partial = new Bun.Glob(".sunduk/partial/*").scan({ cwd: target, dot: true });
        for await (const path of partial) onDisk += Bun.file(join(target, path)).size;
      });
      const second = await install("1.1.0");
      await rm(target, { recursive: true });
      return { all: first + second, needed: onDisk + second };
    };
    const inFlight = files
      .toSorted(bySize)
      .slice(0, 64)
      .reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    const again = 1 + inFlight / (2 * half);
    report(
      await compare({
        what: "install, cut off at half and run again, all bytes",
        reference: `an install that is not cut (the files in flight again would be ${again.toFixed(2)})`,
        unit: " bytes",
        aim: { atMost: Number(again.toFixed(2)) },
        rounds,
        ours: async () => (await cutAtHalf()).all,
        theirs: whole,
      }),
    );
    report(
      await compare({
        what: "the same, what the first run had written and what the second brought",
        reference: "an install that is not cut",
        unit: " bytes",
        aim: { atMost: 1.02 },
        rounds,
        ours: async () => (await cutAtHalf()).needed,
        theirs: whole,
      }),
    );
  },
};

const bySize = (one: { sizeBytes: number }, other: { sizeBytes: number }) => other.sizeBytes - one.sizeBytes;
