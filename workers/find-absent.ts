import type { CheckedBlob } from "../db/integrity.ts";
import type { Storage } from "../storage/index.ts";

type Absent = CheckedBlob & { broken: string | null };
type Find = {
  storage: Pick<Storage, "list" | "stat">;
  /** Blobs whose keys come after one, in the order of their bytes. */
  list: (after: string) => Promise<Absent[]>;
  signal: AbortSignal;
};

/**
 * Blobs whose objects are not in the storage: rows and listing are read side by side, both in the order of the keys, in flat
 * memory. What seems to be missing is asked for by itself, since rows and objects come and go meanwhile.
 */
export async function* findAbsent({ storage, list, signal }: Find): AsyncGenerator<CheckedBlob> {
  const objects = storage.list("blobs/")[Symbol.asyncIterator]();
  let object = await objects.next();
  let after = "";
  for (let page = await list(after); page.length > 0; page = await list(after)) {
    for (const blob of page) {
      signal.throwIfAborted();
      while (!object.done && compareBytes(object.value.key, blob.key) < 0) object = await objects.next();
      after = blob.key;
      const listed = !object.done && object.value.key === blob.key;
      if (listed || blob.broken !== null || (await storage.stat(blob.key))) continue;
      yield blob;
    }
  }
  await objects.return?.();
}

/** Keys are ASCII: their characters are in the order of their bytes. */
const compareBytes = (one: string, other: string) => (one < other ? -1 : one > other ? 1 : 0);
