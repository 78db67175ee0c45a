import { open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Type as t } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import type { StoredBlob } from "../db/dump.ts";
import { Fault } from "../fault.ts";
import { type Digest, readPart, writePart } from "./parts.ts";
import type { Sealing } from "./sealing.ts";
import type { BackupStore } from "./store.ts";

const Line = t.Object({
  sha256: t.String({ pattern: "^[0-9a-f]{64}$" }),
  sizeBytes: t.Integer({ minimum: 0 }),
  /** Below blobs/ only: a restore writes there. */
  key: t.String({ pattern: "^blobs/[0-9A-Za-z/_-]+$" }),
});

const nameOf = (name: string, sealed: boolean) => `backups/${name}/${sealed ? "objects.sealed" : "objects.gz"}`;

type Options = { sealing: Sealing | undefined; signal: AbortSignal };

/** Writes down which objects belong to a backup: one line of JSON for each, packed. */
export function writeObjectList(
  store: BackupStore,
  name: string,
  { blobs, ...options }: Options & { blobs: AsyncIterable<StoredBlob> },
): Promise<Digest> {
  const bytes = (async function* () {
    let held: string[] = [];
    for await (const blob of blobs) {
      held.push(`${JSON.stringify(blob)}\n`);
      if (held.length < 1_000) continue;
      yield Buffer.from(held.join(""));
      held = [];
    }
    yield Buffer.from(held.join(""));
  })();
  return writePart(store, nameOf(name, options.sealing !== undefined), { bytes, ...options });
}

/** The objects of a backup, one after the other. Faults: not-found, invalid (also when `sha256` is given, and is not that of the list). */
export async function* readObjectList(
  store: BackupStore,
  name: string,
  { sha256, signal }: { sha256?: string; signal: AbortSignal },
): AsyncGenerator<StoredBlob> {
  const sealed = (await store.objects.stat(nameOf(name, true))) !== undefined;
  if (sealed && !store.sealing) throw new Fault("malformed", `Cannot read the backup ${name}: it is encrypted`);
  const sealing = sealed ? store.sealing : undefined;
  const options = { sealing, signal, ...(sha256 !== undefined && { sha256 }) };
  const stored = await store.objects.read(nameOf(name, sealed), { signal });
  // Whoever reads it copies each object: no connection stays open for so long.
  const path = join(tmpdir(), `sunduk-objects-${Bun.randomUUIDv7()}`);
  const copy = await open(path, "wx+", 0o600);
  await rm(path); // its bytes stay while it is open, and whoever is killed leaves nothing
  let rest = "";
  const decoder = new TextDecoder();
  try {
    for await (const piece of stored) await copy.writeFile(piece);
    const local = { read: async () => copy.createReadStream({ start: 0, autoClose: false }) };
    for await (const piece of readPart({ objects: local }, nameOf(name, sealed), options)) {
      const lines = (rest + decoder.decode(piece, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) yield readLine(line, name);
    }
  } finally {
    await copy.close();
  }
}

function readLine(line: string, name: string): StoredBlob {
  const blob: unknown = JSON.parse(line);
  if (Value.Check(Line, blob)) return blob;
  throw new Fault("invalid", `Cannot read the objects of ${name}: a line is none of ours`);
}
