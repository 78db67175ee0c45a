import type { Storage, StoredObject } from "./index.ts";

type Find = {
  prefix: string;
  /** Objects that were changed later are left alone: whoever writes them may be about to write their row. */
  before: Date;
  /** Of these keys, those that no row names. */
  listUnnamed: (keys: string[]) => Promise<string[]>;
  /** At most so many objects are looked at. */
  limit: number;
  signal?: AbortSignal;
};

const atOnce = 1_000;

/** Looks for objects below a prefix that no row names. `complete` is false when there are more objects than `limit`. */
export async function findUnnamed(
  storage: Pick<Storage, "list">,
  { prefix, before, listUnnamed, limit, signal }: Find,
): Promise<{ listed: number; unnamed: StoredObject[]; complete: boolean }> {
  const unnamed: StoredObject[] = [];
  let listed = 0;
  let batch: StoredObject[] = [];
  const look = async () => {
    const keys = new Set(await listUnnamed(batch.map(({ key }) => key)));
    unnamed.push(...batch.filter(({ key }) => keys.has(key)));
    batch = [];
  };
  for await (const object of storage.list(prefix)) {
    signal?.throwIfAborted();
    if (listed === limit) {
      await look();
      return { listed, unnamed, complete: false };
    }
    listed += 1;
    if (object.modifiedAt < before) batch.push(object);
    if (batch.length === atOnce) await look();
  }
  await look();
  return { listed, unnamed, complete: true };
}
