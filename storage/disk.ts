import { constants } from "node:fs";
import { copyFile, link, mkdir, open, readdir, rename, rm, rmdir, stat } from "node:fs/promises";
import { dirname, join, resolve, sep } from "node:path";
import { Fault, hasCode } from "../fault.ts";
import type { DiskSigner } from "./disk-signer.ts";
import type { Part, Storage, StoredObject } from "./index.ts";
import { receiveFile, syncFolder } from "./receive-file.ts";

export type DiskStorage = Storage & {
  /** Path of an object, for the server that sends and takes its bytes. Throws when the key leaves the folder. */
  pathOf: (key: string) => string;
  /** Takes the bytes of a signed PUT: all of them or nothing, and durable, except parts: what is made of them is. */
  receive: (key: string, bytes: AsyncIterable<Uint8Array>, sizeBytes: number) => Promise<void>;
};

/** Objects up to this size are read in one go: for most files of a pack a stream costs five times as much as their bytes. */
const wholeBytes = 1024 ** 2;
const maxTries = 10;

/** Objects as files below one folder. Bytes land in `tmp/`, are synced, and renamed to their place. */
export function openDiskStorage({ folder, signer }: { folder: string; signer: DiskSigner }): DiskStorage {
  const root = resolve(folder);
  const pathOf = (key: string) => {
    const path = join(root, key);
    if (!path.startsWith(root + sep) || key.split("/").some((part) => part === "" || part === "." || part === "..")) {
      throw new Fault("not-found", "There is no such object");
    }
    return path;
  };
  const temporary = () => join(root, "tmp", Bun.randomUUIDv7());
  const receive: DiskStorage["receive"] = (key, bytes, sizeBytes) => {
    const isPart = key.startsWith("parts/");
    const target = { temporary: temporary(), path: pathOf(key), makeFolder: !isPart, passing: isPart };
    return receiveFile({ bytes, sizeBytes, ...target });
  };
  const copyBytes = async (from: string, to: string) => {
    const fresh = temporary();
    await mkdir(dirname(fresh), { recursive: true });
    await copyFile(from, fresh, constants.COPYFILE_FICLONE);
    await rename(fresh, to);
  };
  const partsFolder = (partsId: string) => pathOf(`parts/${partsId}`);
  const listParts = async (_key: string, partsId: string): Promise<Part[]> => {
    const names = await readdir(partsFolder(partsId)).catch(() => []);
    const numbers = names
      .map(Number)
      .filter(Number.isInteger)
      .sort((a, b) => a - b);
    return Promise.all(
      numbers.map(async (number) => ({
        number,
        sizeBytes: (await stat(join(partsFolder(partsId), String(number)))).size,
        etag: "",
      })),
    );
  };
  return {
    kind: "disk",
    pathOf,
    receive,
    signPut: async ({ key, sizeBytes, expiresSeconds }) => ({
      method: "PUT",
      url: signer.sign({ method: "PUT", key, expiresSeconds, sizeBytes }),
      headers: { "content-length": String(sizeBytes) },
    }),
    signGet: async ({ key, method, fileName, shownAs, cacheControl, expiresSeconds, signedAt }) =>
      signer.sign({
        method,
        key,
        expiresSeconds,
        cacheControl,
        ...(shownAs && { shownAs }),
        ...(fileName && { fileName }),
        ...(signedAt && { signedAt }),
      }),
    openParts: async () => {
      const partsId = Bun.randomUUIDv7();
      await mkdir(partsFolder(partsId), { recursive: true });
      return partsId;
    },
    signPart: async ({ partsId, number, sizeBytes, expiresSeconds }) => ({
      method: "PUT",
      url: signer.sign({ method: "PUT", key: `parts/${partsId}/${number}`, expiresSeconds, sizeBytes }),
      headers: { "content-length": String(sizeBytes) },
    }),
    listParts,
    completeParts: async (key, partsId) => {
      const taken = join(root, "tmp", `parts-${partsId}`);
      // Renamed first: a part that is still arriving finds its folder gone and cannot change what is joined here.
      await rename(partsFolder(partsId), taken).catch((error) => {
        if (!hasCode(error, "ENOENT")) throw error;
      });
      const numbers = (await readdir(taken).catch(() => [])).map(Number).sort((a, b) => a - b);
      if (numbers.length === 0) return;
      await receiveFile({
        bytes: joinFiles(numbers.map((number) => join(taken, String(number)))),
        temporary: temporary(),
        path: pathOf(key),
      });
      // Away at once: another run must find all of its parts or none, or it would join what is left of them.
      const gone = temporary();
      await rename(taken, gone).catch((error) => {
        if (!hasCode(error, "ENOENT")) throw error;
      });
      await rm(gone, { recursive: true, force: true });
    },
    abortParts: async (_key, partsId) => {
      await rm(partsFolder(partsId), { recursive: true, force: true });
      await rm(join(root, "tmp", `parts-${partsId}`), { recursive: true, force: true });
    },
    listOpenParts: async function* () {
      for (const partsId of await readdir(join(root, "parts")).catch(() => [])) {
        const found = await stat(join(root, "parts", partsId)).catch(() => undefined);
        if (found) yield { key: "", partsId, startedAt: found.birthtime };
      }
    },
    copy: async (from, to) => {
      const target = pathOf(to);
      for (let tries = 1; ; tries++) {
        try {
          await makeFolder(dirname(target));
          await link(pathOf(from), target);
          break;
        } catch (error) {
          if (hasCode(error, "EEXIST")) return;
          if (!hasCode(error, "ENOENT")) {
            await copyBytes(pathOf(from), target); // a file system without links
            break;
          }
          // Whoever removes the last object of a folder removes the folder, perhaps the one just made.
          const isThere = await stat(pathOf(from)).catch(() => undefined);
          if (!isThere || tries === maxTries) throw new Fault("not-found", "There is no such object", { cause: error });
        }
      }
      await syncFolder(dirname(target));
    },
    stat: async (key) => {
      const found = await stat(pathOf(key)).catch((error) => {
        if (!hasCode(error, "ENOENT", "ENOTDIR")) throw error; // a disk that fails says nothing about the object
      });
      return found?.isFile() ? { key, sizeBytes: found.size, modifiedAt: found.mtime } : undefined;
    },
    read: async (key, { signal }) => {
      const path = pathOf(key);
      signal.throwIfAborted();
      try {
        if ((await stat(path)).size <= wholeBytes) return once(await Bun.file(path).bytes());
        const handle = await open(path);
        return handle.createReadStream({ highWaterMark: 1024 ** 2, signal });
      } catch (cause) {
        throw hasCode(cause, "ENOENT") ? new Fault("not-found", "There is no such object", { cause }) : cause;
      }
    },
    write: async (key, bytes, { sizeBytes }) =>
      receiveFile({ bytes, temporary: temporary(), path: pathOf(key), ...(sizeBytes !== undefined && { sizeBytes }) }),
    remove: async (keys) => {
      for (const key of keys) {
        await rm(pathOf(key), { force: true });
        await removeEmptyFolder(dirname(pathOf(key)), root);
      }
    },
    list: (prefix) => walk(root, prefix),
    check: async () => {
      const key = `probe/${Bun.randomUUIDv7()}`;
      await receive(key, new Blob(["probe"]).stream(), 5);
      const bytes = await Bun.file(pathOf(key)).text();
      await rm(pathOf(key), { force: true });
      if (bytes !== "probe") throw new Fault("unavailable", "Cannot use the storage: a probe came back changed");
    },
  };
}

/** Makes a folder that somebody else may be making or removing. */
async function makeFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true }).catch((error) => {
    if (!hasCode(error, "EEXIST")) throw error;
  });
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

async function* joinFiles(paths: string[]): AsyncGenerator<Uint8Array> {
  for (const path of paths) yield* Bun.file(path).stream();
}

async function* walk(root: string, prefix: string): AsyncGenerator<StoredObject> {
  const folder = join(root, prefix);
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  // In the order of their keys, as S3 lists them.
  entries.sort((one, other) => (one.name < other.name ? -1 : 1));
  for (const entry of entries) {
    const key = join(prefix, entry.name);
    if (entry.isDirectory()) yield* walk(root, key);
    else {
      const found = await stat(join(root, key)).catch(() => undefined);
      if (found) yield { key: key.split(sep).join("/"), sizeBytes: found.size, modifiedAt: found.mtime };
    }
  }
}

async function removeEmptyFolder(folder: string, root: string): Promise<void> {
  if (folder === root || dirname(folder) === root) return;
  await rmdir(folder).catch((error) => {
    if (!hasCode(error, "ENOTEMPTY", "ENOENT", "EEXIST")) throw error;
  });
}
