import { join } from "node:path";
import { findBlocked } from "../db/blob.ts";
import { isTextureWanted, settleTexture } from "../db/texture.ts";
import type { Deps } from "../deps.ts";
import { Fault } from "../fault.ts";
import type { Handle, Run } from "../queues/actor.ts";
import type { MakeTexture } from "../queues/make-texture.ts";
import { stagingKey } from "../storage/keys.ts";
import { measureTexture } from "../texture.ts";
import { readSource } from "./image-source.ts";
import { settleAttempt } from "./settle-blob.ts";
import { storeBytes } from "./store-bytes.ts";

type Needs = "db" | "storage" | "decoder";
type Outcome = { state: "ready" | "over" } | { state: "rejected"; reason: string };

/**
 * Makes a texture of the bytes that were sent, in a process of their own, and puts it on unless others were sent since. Of
 * two runs at the same time one settles; the bytes that both read go last.
 */
export const handle: Handle<MakeTexture, Needs> = async ({ payload, deps, ...run }) => {
  const isWanted = await isTextureWanted(deps.db, payload);
  const outcome = isWanted ? await make(deps, { payload, ...run }) : { state: "over" };
  await deps.storage.remove([stagingKey(payload.uploadId)]);
  return outcome;
};

type Making = Pick<Run<MakeTexture, Needs>, "payload" | "signal" | "log">;

async function make(deps: Pick<Deps, Needs>, { payload, signal, log }: Making): Promise<Outcome> {
  const { db, storage, decoder } = deps;
  await using folder = await decoder.openFolder();
  const found = await receive({ storage }, { key: stagingKey(payload.uploadId), folder: folder.path, signal });
  if (!found)
    return (await isTextureWanted(db, payload))
      ? { state: "rejected", reason: "its bytes are gone: send them again" }
      : { state: "over" }; // another run was faster
  const measured = measureTexture(await Bun.file(join(folder.path, "input")).bytes(), payload.kind);
  if ("refused" in measured) return { state: "rejected", reason: measured.refused };
  const ending = await decoder.decodeTexture({ folder: folder.path, canvas: measured.canvas }, signal);
  // One that ends its decoder is not tried again: it is small, and whoever waits for it may send it once more.
  if ("died" in ending) return { state: "rejected", reason: "it could not be decoded safely" };
  if ("refused" in ending) return { state: "rejected", reason: ending.refused };
  const made = Bun.file(join(folder.path, ending.texture));
  const stored = await storeBytes(deps, { bytes: made.stream(), sizeBytes: made.size, signal, log });
  let blocked: { reason: string } | undefined;
  const settled = await settleAttempt(deps, {
    ...stored,
    settle: async (tx, makeBlob) => {
      blocked = await findBlocked(tx, stored.digests.sha256);
      if (blocked || !(await isTextureWanted(tx, payload))) return false;
      return (await settleTexture(tx, { ...payload, blobId: (await makeBlob()).id })) > 0;
    },
  });
  if (blocked) return { state: "rejected", reason: `it is blocked on this server: ${blocked.reason}` };
  return { state: settled ? "ready" : "over" };
}

type Receiving = { key: string; folder: string; signal: AbortSignal };

/** Copies the bytes that were sent into the folder; false when there are none. */
async function receive({ storage }: Pick<Deps, "storage">, receiving: Receiving): Promise<boolean> {
  try {
    await readSource({ storage }, receiving);
    return true;
  } catch (error) {
    if (error instanceof Fault && error.code === "not-found") return false;
    throw error;
  }
}
