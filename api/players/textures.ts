import { Type as t } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { insertActivity } from "../../db/activity.ts";
import { findBlocked } from "../../db/blob.ts";
import { lockPlayer, type SkinModel, type TextureKind } from "../../db/player.ts";
import { clearTexture, startTexture } from "../../db/texture.ts";
import { Fault } from "../../fault.ts";
import { want } from "../../queues/mailbox.ts";
import { makeTexture } from "../../queues/make-texture.ts";
import { stagingKey } from "../../storage/keys.ts";
import { measureTexture } from "../../texture.ts";
import type { Api } from "../api.ts";
import { waitForResult } from "../jobs/wait.ts";
import { models } from "./model.ts";
import { requirePlayer } from "./service.ts";

const waitMs = 10_000;
const writeMs = 5_000;
const Rejected = t.Object({ state: t.Literal("rejected"), reason: t.String() });

type Place = { userId: string; playerId: string; kind: TextureKind };
type Sent = Place & {
  /** As launchers say it; as before when not given. */
  model?: string | undefined;
  bytes: Uint8Array<ArrayBuffer>;
};

/**
 * Has the PNG that was sent made into a player's skin or cape, and waits for that. Its header is read here, its pixels by an
 * actor; of several that are sent at once the last one stays. 404 for a player who is not this user's, 422 for what is no
 * such texture, 429 for too many a minute, 503 when it takes longer than ten seconds: it then comes later.
 */
export async function setTexture(api: Api, { bytes, model: said, ...place }: Sent): Promise<void> {
  const { db, storage, mailbox, config } = api;
  const { userId, playerId, kind } = place;
  const model = said === undefined ? null : readModel(said);
  await requirePlayer(db, { userId, id: playerId });
  const measured = measureTexture(bytes, kind);
  if ("refused" in measured) throw isRefused(kind, measured.refused);
  await api.rateLimits.take([{ name: "textures", perMinute: config.LIMIT_PLAYER_CHANGES_PER_MINUTE, key: userId }]);
  const blocked = await findBlocked(db, new Bun.CryptoHasher("sha256").update(bytes).digest("hex"));
  if (blocked)
    throw new Fault("not-allowed", `Cannot take the ${kind}: it is blocked on this server: ${blocked.reason}`);
  const uploadId = Bun.randomUUIDv7();
  await storage.write(stagingKey(uploadId), new Blob([bytes]).stream(), {
    sizeBytes: bytes.byteLength,
    signal: AbortSignal.timeout(writeMs),
  });
  const message = await db.transaction(async (tx) => {
    const player = await lockPlayer(tx, { id: playerId, userId });
    if (!player) throw new Fault("not-found", "There is no such player of yours");
    await startTexture(tx, { playerId, kind, uploadId });
    await insertActivity(tx, { userId, kind: "player-changed", subject: `${player.name}: ${kind}` });
    return want(tx, makeTexture, { payload: { uploadId, playerId, kind, model }, ownerId: userId });
  });
  await mailbox.send(makeTexture.name, message);
  const result = await waitForResult(api, { id: message.jobId, timeoutMs: waitMs });
  if (Value.Check(Rejected, result)) throw isRefused(kind, result.reason);
}

/** Takes a skin or a cape off. 404 for a player who is not this user's. */
export async function removeTexture({ db }: Pick<Api, "db">, { userId, playerId, kind }: Place): Promise<void> {
  await db.transaction(async (tx) => {
    const player = await lockPlayer(tx, { id: playerId, userId });
    if (!player) throw new Fault("not-found", "There is no such player of yours");
    await clearTexture(tx, { playerId, kind });
    await insertActivity(tx, { userId, kind: "player-changed", subject: `${player.name}: ${kind}` });
  });
}

/** One of the names that launchers have for the two models; 422 for any other. */
function readModel(said: string): SkinModel {
  const found = Object.entries(models).find(([name]) => name === said.toLowerCase());
  if (found) return found[1];
  throw new Fault("invalid", "Cannot take the skin: there is no such model", {
    errors: [{ parameter: "model", detail: "is slim, or default, classic or steve" }],
  });
}

function isRefused(kind: TextureKind, reason: string): Fault {
  return new Fault("invalid", `Cannot take the ${kind}: ${reason}`);
}
