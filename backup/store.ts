import { randomBytes, timingSafeEqual } from "node:crypto";
import { chmod, mkdir, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { Type as t } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import type { Config } from "../config.ts";
import { Fault } from "../fault.ts";
import { openDiskStorage } from "../storage/disk.ts";
import { openDiskSigner } from "../storage/disk-signer.ts";
import type { Storage } from "../storage/index.ts";
import { createBucket, openS3Storage, type S3Options } from "../storage/s3.ts";
import { deriveKey, openSealing, type Sealing } from "./sealing.ts";

export type Objects = Pick<Storage, "kind" | "read" | "write" | "stat" | "list" | "remove">;

/** A folder or a bucket that holds backups, and what they are sealed with, when they are. */
export type BackupStore = { place: string; objects: Objects; sealing: Sealing | undefined };

type Options = { config: Config; to?: string | undefined; encrypt: boolean };

const keyFile = "key.json";
const KeyFile = t.Object({ format: t.Literal(1), salt: t.String(), check: t.String() });

/**
 * Opens where backups are kept: `to`, else BACKUP_TO, else `backups` in the data folder; a path, or s3://bucket/prefix.
 * Faults: invalid for another passphrase than the first one there, malformed for an address that is none.
 */
export async function openStore({ config, to, encrypt }: Options): Promise<BackupStore> {
  const place = to === undefined ? placeOf(config) : normalize(to);
  const objects = place.startsWith("s3://") ? openBucket(place, config) : await openFolder(place);
  if (encrypt && config.BACKUP_KEY === undefined)
    throw new Fault(
      "malformed",
      "Cannot encrypt: BACKUP_KEY is not set. Name a file that holds a passphrase with BACKUP_KEY_FILE",
    );
  const sealing =
    config.BACKUP_KEY === undefined
      ? undefined
      : await openKey(objects, { passphrase: config.BACKUP_KEY, make: encrypt });
  return { place, objects, sealing };
}

/** Where backups are kept when a command names no place. */
export const placeOf = (config: Config) => normalize(config.BACKUP_TO ?? join(config.DATA, "backups"));

const normalize = (place: string) => (place.startsWith("s3://") ? place.replace(/\/+$/, "") : resolve(place));

/** Makes the bucket that BACKUP_TO names, when there is none. */
export async function createBackupBucket(config: Config): Promise<void> {
  const place = placeOf(config);
  if (place.startsWith("s3://")) await createBucket(readBucket(place, config).options);
}

async function openFolder(place: string): Promise<Objects> {
  const folder = resolve(place);
  const there = await stat(folder).catch(() => undefined);
  await mkdir(folder, { recursive: true });
  if (!there) await chmod(folder, 0o700); // hashes of passwords are in it
  return openDiskStorage({ folder, signer: openDiskSigner({ base: () => "", secret: "" }) });
}

function openBucket(place: string, config: Config): Objects {
  const { options, folder } = readBucket(place, config);
  const storage = openS3Storage(options);
  return folder === undefined ? storage : below(storage, `${folder}/`);
}

function readBucket(place: string, config: Config): { options: S3Options; folder: string | undefined } {
  const match = /^s3:\/\/([a-z0-9][a-z0-9.-]+)(?:\/(.*?))?\/?$/.exec(place);
  const [endpoint, accessKey, secretKey] = [
    config.BACKUP_S3_ENDPOINT ?? config.S3_ENDPOINT,
    config.BACKUP_S3_ACCESS_KEY ?? config.S3_ACCESS_KEY,
    config.BACKUP_S3_SECRET_KEY ?? config.S3_SECRET_KEY,
  ];
  if (!match) throw new Fault("malformed", `Cannot keep backups at ${place}: an address looks like s3://bucket/folder`);
  if (!endpoint || !accessKey || !secretKey)
    throw new Fault(
      "malformed",
      `Cannot keep backups at ${place}: BACKUP_S3_ENDPOINT, BACKUP_S3_ACCESS_KEY and BACKUP_S3_SECRET_KEY are needed`,
    );
  const options: S3Options = {
    endpoint,
    publicEndpoint: endpoint,
    bucket: match[1] ?? "",
    region: config.S3_REGION,
    accessKey,
    secretKey,
  };
  return { options, folder: match[2] || undefined };
}

function below(storage: Storage, prefix: string): Objects {
  const strip = <T extends { key: string }>(found: T) => ({ ...found, key: found.key.slice(prefix.length) });
  return {
    kind: storage.kind,
    read: (key, options) => storage.read(prefix + key, options),
    write: (key, bytes, options) => storage.write(prefix + key, bytes, options),
    stat: async (key) => {
      const found = await storage.stat(prefix + key);
      return found && strip(found);
    },
    list: async function* (start) {
      for await (const found of storage.list(prefix + start)) yield strip(found);
    },
    remove: (keys) => storage.remove(keys.map((key) => prefix + key)),
  };
}

/** The salt lies beside the backups, so that all of one passphrase have one key and share their objects. */
async function openKey(
  objects: Objects,
  { passphrase, make }: { passphrase: string; make: boolean },
): Promise<Sealing | undefined> {
  const kept = await readText(objects, keyFile);
  if (kept === undefined && !make) return undefined;
  if (kept === undefined) {
    const salt = randomBytes(16);
    const sealing = openSealing(await deriveKey(passphrase, salt));
    const file = { format: 1, salt: salt.toString("base64url"), check: sealing.sign("check") };
    await writeText(objects, { name: keyFile, text: `${JSON.stringify(file)}\n` });
    return sealing;
  }
  const read: unknown = JSON.parse(kept);
  if (!Value.Check(KeyFile, read)) throw new Fault("invalid", `Cannot read ${keyFile} of the backups: it is damaged`);
  const sealing = openSealing(await deriveKey(passphrase, Buffer.from(read.salt, "base64url")));
  const [found, wanted] = [Buffer.from(sealing.sign("check")), Buffer.from(read.check)];
  if (found.length !== wanted.length || !timingSafeEqual(found, wanted))
    throw new Fault(
      "invalid",
      "Cannot read these backups: they were encrypted with another passphrase than BACKUP_KEY",
    );
  return sealing;
}

/** A small file of the store; undefined when there is none. */
export async function readText(objects: Objects, name: string): Promise<string | undefined> {
  try {
    const pieces: Uint8Array[] = [];
    for await (const piece of await objects.read(name, { signal: AbortSignal.timeout(60_000) })) pieces.push(piece);
    return Buffer.concat(pieces).toString("utf8");
  } catch (error) {
    if (error instanceof Fault && error.code === "not-found") return undefined;
    throw error;
  }
}

/** Writes a small file: all of it, or nothing. */
export async function writeText(objects: Objects, { name, text }: { name: string; text: string }): Promise<void> {
  const bytes = Buffer.from(text);
  const stream = (async function* () {
    yield bytes;
  })();
  await objects.write(name, stream, { sizeBytes: bytes.length, signal: AbortSignal.timeout(60_000) });
}
