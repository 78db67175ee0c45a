import { join } from "node:path";
import type { Bench } from "./bench.ts";
import { planFiles, writeFiles } from "./content.ts";
import { compare, timeSeconds } from "./measure.ts";
import { openNginx } from "./nginx.ts";
import { openSystem, publishFolder } from "./system.ts";

const rounds = 5;
const clients = 2_000;
const limitMs = 30_000;

/** 2,000 launchers look for an update at once, each over a connection of its own, without a gateway in front of the API. */
export const bench: Bench = {
  name: "stampede",
  programs: { nginx: "nginx-light" },
  run: async ({ folder, stack, report, note }) => {
    const system = await openSystem({ folder, stack });
    const pack = join(folder, "pack");
    await writeFiles(pack, planFiles({ count: 300, totalBytes: 300_000 }));
    await publishFolder(pack, { slug: "stampede", system });
    const url = `${system.url}/v1/packs/stampede/latest`;
    const bytes = await (await fetch(url)).bytes();
    const nginx = await openNginx({ folder: join(folder, "nginx"), stack }, { name: "latest.json", bytes });
    const told: Stampede[] = [];
    report(
      await compare({
        what: `${clients} clients at once, until the last has its answer`,
        reference: "nginx, one worker, the same bytes as a static file",
        unit: "s",
        aim: { atMost: 3 },
        rounds,
        ours: () => timeSeconds(async () => void told.push(await stampede(url))),
        theirs: () => timeSeconds(async () => void (await stampede(`${nginx}/latest.json`))),
      }),
    );
    const worst = told.slice(1); // the first round does not count
    const errors = worst.reduce((sum, { failed }) => sum + failed, 0);
    const p99 = worst.map(({ p99Ms }) => Math.round(p99Ms)).join(", ");
    note(`errors: ${errors} of ${worst.length * clients}; p99 of each round, connecting included: ${p99} ms`);
    if (errors > 0) throw new Error(`${errors} clients got no answer`);
  },
};

type Stampede = { failed: number; p99Ms: number };

async function stampede(url: string): Promise<Stampede> {
  const outcomes = await Promise.all(Array.from({ length: clients }, () => askOnce(url)));
  const times = outcomes.flatMap((ms) => ms ?? []).toSorted((one, other) => one - other);
  return { failed: clients - times.length, p99Ms: times[Math.floor(times.length * 0.99)] ?? Number.NaN };
}

/** Milliseconds from connecting until the end of a whole answer of 200; undefined when there is none. */
function askOnce(url: string): Promise<number | undefined> {
  const { hostname, port, host, pathname } = new URL(url);
  const begun = performance.now();
  const ended = Promise.withResolvers<number | undefined>();
  const limit = setTimeout(() => ended.resolve(undefined), limitMs);
  let text = "";
  const connecting = Bun.connect({
    hostname,
    port: Number(port),
    socket: {
      open: (socket) => void socket.write(`GET ${pathname} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`),
      data: (_socket, chunk) => {
        text += chunk.toString("latin1");
      },
      close: () => ended.resolve(isWhole(text) ? performance.now() - begun : undefined),
      error: () => ended.resolve(undefined),
    },
  });
  connecting.catch(() => ended.resolve(undefined));
  return ended.promise.finally(() => clearTimeout(limit));
}

function isWhole(text: string): boolean {
  const head = text.slice(0, text.indexOf("\r\n\r\n") + 4);
  const bodyBytes = Number(/^content-length: (\d+)/im.exec(head)?.[1] ?? Number.NaN);
  return /^HTTP\/1\.1 200 /.test(head) && text.length === head.length + bodyBytes;
}
