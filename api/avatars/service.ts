import {
  deleteNextAvatar,
  deleteShownAvatar,
  findAvatarSource,
  findShownAvatar,
  insertAvatar,
} from "../../db/avatar.ts";
import { lockBlobs } from "../../db/blob.ts";
import { lockUser } from "../../db/identity.ts";
import type { Db } from "../../db/query.ts";
import type { Deps } from "../../deps.ts";
import { Fault } from "../../fault.ts";
import { want } from "../../queues/mailbox.ts";
import { renderImage } from "../../queues/render-image.ts";
import type { Caller } from "../tokens.ts";
import { findShownProfile } from "../users/service.ts";
import type { Avatar, NewAvatar } from "./model.ts";

type Avatars = Pick<Deps, "db" | "bus" | "mailbox" | "config">;

/**
 * Has an avatar made of a picture of the caller's. The former one is shown until the new one is ready; of several that are
 * asked for at once the last one wins, since each takes the place of the one that waits. 422 when there is no such picture.
 */
export async function changeAvatar(
  { db, mailbox, config }: Avatars,
  { caller, image, focus = { x: 0.5, y: 0.5 } }: NewAvatar & { caller: Caller },
): Promise<{ id: string; jobId: string }> {
  const { userId: ownerId } = caller;
  const id = Bun.randomUUIDv7();
  const message = await db.transaction(async (tx) => {
    await requireUser(tx, ownerId);
    await deleteNextAvatar(tx, ownerId);
    const source = await findAvatarSource(tx, { imageId: image, ownerId });
    // The collector waits, or was first: then the picture is gone.
    if (!source || (await lockBlobs(tx, [source.blobId])).length === 0)
      throw new Fault("invalid", "Cannot make an avatar: there is no such picture of yours that is ready", {
        errors: [{ pointer: "/image", detail: "is no ready picture of yours" }],
      });
    await insertAvatar(tx, { id, ownerId, source, focus, expiresSeconds: config.UPLOAD_EXPIRES_SECONDS });
    return want(tx, renderImage, { payload: { imageId: id }, ownerId });
  });
  await mailbox.send(renderImage.name, message);
  return { id, jobId: message.jobId };
}

/** Removes the caller's avatar, and the one that was to replace it. */
export async function removeAvatar({ db, bus }: Avatars, { userId }: Caller): Promise<void> {
  await db.transaction(async (tx) => {
    await requireUser(tx, userId);
    // In the order in which the actor takes them that replaces one by the other: then neither waits for the other for ever.
    await deleteNextAvatar(tx, userId);
    await deleteShownAvatar(tx, userId);
  });
  bus.publish("images.changed", userId, { now: true });
}

/** Where somebody's avatar is to be had, by its sides: what is there never changes. */
export const describeAvatar = (imageId: string): Avatar => ({
  "64": `/v1/images/${imageId}/64`,
  "128": `/v1/images/${imageId}/128`,
  "256": `/v1/images/${imageId}/256`,
  "512": `/v1/images/${imageId}/512`,
});

/** The avatar of an id or a login; 404 when there is none, or nobody to be seen. */
export async function findAvatar(db: Db, name: string): Promise<Avatar> {
  const owner = await findShownProfile(db, name);
  const imageId = owner && (await findShownAvatar(db, owner.id));
  if (!imageId) throw new Fault("not-found", "There is no such avatar");
  return describeAvatar(imageId);
}

/** Locks the user, so that what happens to his avatar happens one after the other. */
async function requireUser(tx: Db, userId: string): Promise<void> {
  if (!(await lockUser(tx, userId)))
    throw new Fault("not-found", "There is no account of yours: this token is for a service");
}
