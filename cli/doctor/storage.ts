import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Config } from "../../config.ts";
import { readS3Options } from "../../deps.ts";
import { hasCode } from "../../fault.ts";
import { makeSecret } from "../../keys.ts";
import { openDiskStorage } from "../../storage/disk.ts";
import { openDiskSigner } from "../../storage/disk-signer.ts";
import type { Storage } from "../../storage/index.ts";
import { createBucket, openS3Storage } from "../../storage/s3.ts";
import type { DoctorMessages } from "./messages.ts";
import { type Finding, reasonOf } from "./report.ts";

const signedTimeoutMs = 5_000;
const clockWarningMs = 5_000;
/** S3 refuses what was signed 15 minutes off; well before that our own tokens are refused. */
const clockBrokenMs = 60_000;

/** The storage as the configuration names it; its signatures are good with S3 only. */
export function openStorage(config: Config): Storage {
  if (config.S3_ENDPOINT) return openS3Storage(readS3Options(config));
  const signer = openDiskSigner({ base: () => "http://127.0.0.1", secret: makeSecret() });
  return openDiskStorage({ folder: objectsFolder(config), signer });
}

/** Where objects on disk are, or would be. */
export const objectsFolder = (config: Config) => join(resolve(config.DATA), "objects");

type Looking = { config: Config; text: DoctorMessages };

/** Writes, reads and removes a probe; with S3 also by a signed address, and compares its clock with ours. */
export async function checkStorage({ config, text }: Looking): Promise<Finding[]> {
  const area = "storage";
  const folder = objectsFolder(config);
  // A probe must not make what the server would then not own.
  if (!config.S3_ENDPOINT && !existsSync(folder))
    return [{ area, state: "skipped", detail: text.nothingStored(folder) }];
  const storage = openStorage(config);
  try {
    await storage.check();
  } catch (error) {
    const detail = reasonOf(error);
    const lost = hasCode(error, "NoSuchBucket") || (error instanceof Error && hasCode(error.cause, "NoSuchBucket"));
    const repair = { repair: () => createBucket(readS3Options(config)) };
    return [{ area, state: "broken", detail, fix: lost ? text.makeBucket : text.fixStorage, ...(lost && repair) }];
  }
  const sound: Finding = { area, state: "ok", detail: text.storage(config.S3_ENDPOINT ?? folder) };
  if (!config.S3_ENDPOINT) return [sound];
  return [sound, await checkSigned(storage, { config, text }), await checkClock(config.S3_ENDPOINT, text)];
}

/** Whether what we sign for clients is accepted at the address that they are sent to. */
async function checkSigned(storage: Storage, { config, text }: Looking): Promise<Finding> {
  const area = "storage";
  const key = `probe/${Bun.randomUUIDv7()}`;
  const place = config.S3_PUBLIC_ENDPOINT ?? config.S3_ENDPOINT ?? "";
  const signal = AbortSignal.timeout(signedTimeoutMs);
  const bytes = async function* () {
    yield new TextEncoder().encode("probe");
  };
  try {
    await storage.write(key, bytes(), { sizeBytes: 5, signal });
    const url = await storage.signGet({ key, method: "GET", cacheControl: "no-store", expiresSeconds: 60 });
    const answer = await fetch(url, { signal });
    if (answer.ok && (await answer.text()) === "probe") return { area, state: "ok", detail: text.signed(place) };
    return { area, state: "broken", detail: text.notSigned(place, `${answer.status}`), fix: text.fixSigned };
  } catch (error) {
    // It may well be reached from everywhere but here.
    return { area, state: "warning", detail: text.notSigned(place, reasonOf(error)), fix: text.fixSigned };
  } finally {
    await storage.remove([key]).catch(() => undefined);
  }
}

async function checkClock(endpoint: string, text: DoctorMessages): Promise<Finding> {
  const area = "clock";
  const answer = await fetch(endpoint, { method: "HEAD", signal: AbortSignal.timeout(signedTimeoutMs) }).catch(
    () => undefined,
  );
  const told = Date.parse(answer?.headers.get("date") ?? "");
  if (Number.isNaN(told)) return { area, state: "skipped", detail: text.noStorageClock };
  const offMs = Math.max(0, Math.abs(told - Date.now()) - 1_000); // it tells whole seconds
  const state = offMs > clockBrokenMs ? "broken" : offMs > clockWarningMs ? "warning" : "ok";
  return { area, state, detail: text.storageClock(offMs), ...(state !== "ok" && { fix: text.setClock }) };
}
