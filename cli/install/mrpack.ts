import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { digestStream } from "../../digest.ts";
import { Fault } from "../../fault.ts";
import type { Side } from "../../formats/manifest.ts";
import type { PackSource } from "../source/index.ts";
import { readMrpack } from "../source/mrpack.ts";
import { fetchElsewhere, toManifest } from "./elsewhere.ts";
import type { Origin } from "./origin.ts";

const limitMs = 30 * 60_000;
const maxBytes = 4 * 1024 ** 3;

type Opened = { etag: string; source: PackSource; sha256s: Map<string, string> };

/** A Modrinth pack (mrpack format 1): a file, or an address of any host. */
export function mrpackPack(address: string): Origin {
  const isFile = !/^https?:\/\//i.test(address);
  const where = isFile ? address : `the pack at ${new URL(address).host}`;
  let opened: Opened | undefined;
  let folder: string | undefined;

  const fetchArchive = async (etag: string, signal: AbortSignal) => {
    if (isFile) return { path: address, etag: "" };
    folder ??= await mkdtemp(join(tmpdir(), "sunduk-mrpack-"));
    const path = join(folder, "pack.mrpack");
    const headers: Record<string, string> = etag === "" ? {} : { "if-none-match": etag };
    const read = async (response: Response) => {
      if (response.status === 304) return undefined;
      await save(response, path);
      return { path, etag: response.headers.get("etag") ?? "" };
    };
    return fetchElsewhere(address, { what: where, headers, limitMs, signal, read });
  };
  const open = async ({ side, signal }: { side: Side; signal: AbortSignal }, known = "") => {
    const archive = await fetchArchive(known, signal);
    if (archive === undefined) return undefined;
    const source = await readMrpack(archive.path, { where, side, signal });
    opened = { etag: archive.etag, source, sha256s: new Map() };
    for (const { path, local } of source.files) {
      if (local === undefined) continue;
      const { sha256 } = await digestStream(Bun.file(local.diskPath).stream(), { sha256Only: true, signal });
      opened.sha256s.set(path, sha256);
    }
    return opened;
  };
  return {
    url: isFile ? "file" : new URL(address).origin,
    slug: undefined,
    source: { kind: "mrpack", address },
    async readRelease({ known, side, signal }) {
      const found = await open({ side, signal }, known?.etag);
      if (found === undefined) return undefined;
      const { etag, source, sha256s } = found;
      return { etag, body: toManifest(source, { version: source.version ?? "", sha256s }) };
    },
    async unpack(wish) {
      const { source, sha256s } = opened ?? (await open(wish)) ?? { source: undefined, sha256s: new Map() };
      const places = (source?.files ?? []).flatMap(({ path, local }) => {
        const sha256 = sha256s.get(path);
        return local === undefined || sha256 === undefined ? [] : [[sha256, local.diskPath] as const];
      });
      return new Map(places);
    },
    signUrls: async () => {
      throw new Fault("internal", "Cannot install: a Modrinth pack keeps no bytes by digest");
    },
    async close() {
      await opened?.source.close();
      if (folder !== undefined) await rm(folder, { recursive: true, force: true });
    },
  };
}

async function save(response: Response, path: string): Promise<void> {
  const sink = Bun.file(path).writer();
  let sizeBytes = 0;
  try {
    for await (const chunk of response.body ?? []) {
      sizeBytes += chunk.byteLength;
      if (sizeBytes > maxBytes) throw new Fault("too-large", "Cannot fetch the pack: it is larger than 4 GiB");
      sink.write(chunk);
      await sink.flush();
    }
  } finally {
    await sink.end();
  }
}
