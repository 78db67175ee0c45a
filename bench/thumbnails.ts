import { cp, mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { readConfig } from "../config.ts";
import { openLog } from "../log.ts";
import { openDecoder } from "../workers/decoder.ts";
import { type Bench, searchPath } from "./bench.ts";
import { compare, timeSeconds } from "./measure.ts";

const photos = 16;
const rounds = 7;
/** Processes on each side, of one thread each. */
const side = 2;

/** Thumbnails of photos through the decoder, its messages and checks included, against vipsthumbnail on the same files. */
export const bench: Bench = {
  name: "thumbnails",
  programs: { vipsthumbnail: "libvips-tools", vips: "libvips-tools" },
  run: async ({ folder, stack, report, note }) => {
    const sent = join(folder, "photos");
    await mkdir(sent);
    await makePhotos(sent);
    const config = readConfig({ environment: { DATA: folder } });
    const decoder = openDecoder({ config, log: openLog({ level: "warn", service: "bench" }) });
    stack.defer(decoder.close);
    const names = await readdir(sent);
    const tasks = await Promise.all(
      names.map(async (name) => {
        const place = await decoder.openFolder();
        await cp(join(sent, name), join(place.path, "input"));
        return place.path;
      }),
    );
    const { signal } = new AbortController();
    const wanted = [{ name: "thumb", format: "webp" as const, side: 320, crop: false }];
    const ours = async () => {
      const work = (path: string) =>
        decoder.decode({ folder: path, wanted, focus: { x: 0.5, y: 0.5 } }, { urgent: true, signal });
      const endings = await Promise.all(tasks.map(work));
      const failed = endings.find((ending) => !(ending && "made" in ending));
      if (failed) throw new Error(`Cannot measure: ${JSON.stringify(failed)}`);
    };
    const theirs = async () => {
      const shares = Array.from({ length: side }, (_, index) => names.filter((_name, at) => at % side === index));
      await Promise.all(shares.map((share) => runVips(share.map((name) => join(sent, name)))));
    };
    note(`${photos} JPEG photos of 24 megapixels, ${side} processes of one thread on either side, WebP of quality 80`);
    report(
      await compare({
        what: "thumbnails of 320 pixels, rate",
        reference: "vipsthumbnail, the same files",
        unit: "/s",
        aim: { atLeast: 0.9 },
        rounds,
        ours: async () => photos / (await timeSeconds(ours)),
        theirs: async () => photos / (await timeSeconds(theirs)),
      }),
    );
  },
};

/** One process for a share of the files, as our decoders are. */
async function runVips(files: string[]): Promise<void> {
  const argv = ["vipsthumbnail", "--size", "320x320", "-o", "%s-thumb.webp[Q=80,strip]", ...files];
  await runProgram(argv);
}

/** Clouds of noise at different scales, which compress about as photos do. */
async function makePhotos(folder: string): Promise<void> {
  for (let index = 0; index < photos; index++) {
    const noise = join(folder, `${index}.v`);
    await runProgram(["vips", "perlin", noise, "6000", "4000", "--cell-size", "200", "--seed", String(index)]);
    await runProgram(["vips", "linear", noise, `${noise}.v`, "100", "128", "--uchar"]);
    await runProgram(["vips", "bandjoin", `${noise}.v ${noise}.v ${noise}.v`, `${noise}.b.v`]);
    await runProgram(["vips", "copy", `${noise}.b.v`, join(folder, `${index}.jpg[Q=90]`), "--interpretation", "srgb"]);
    for (const name of [noise, `${noise}.v`, `${noise}.b.v`]) await Bun.file(name).delete();
  }
}

async function runProgram(argv: string[]): Promise<void> {
  const child = Bun.spawn(argv, {
    env: { PATH: searchPath, VIPS_CONCURRENCY: "1" },
    stdio: ["ignore", "ignore", "pipe"],
  });
  if ((await child.exited) !== 0)
    throw new Error(`Cannot measure: ${argv[0]} failed\n${await new Response(child.stderr).text()}`);
}
