import { type Db, one, run } from "./query.ts";

/** What the renderer has to know of an image. */
export type ImageToRender = {
  id: string;
  ownerId: string;
  kind: "picture" | "avatar";
  state: "waiting" | "processing" | "ready" | "rejected";
  reason: string | null;
  sha256: string;
  sizeBytes: number;
  focusX: number;
  focusY: number;
  animated: boolean;
  renderer: number;
  sourceBlobId: string | null;
  /** Where the bytes that were sent are kept; null where they are not here yet, or not any more. */
  sourceKey: string | null;
};

const columns = `i.id, i.owner_id as "ownerId", i.kind, i.state, i.reason, i.sha256, i.size_bytes as "sizeBytes", i.focus_x as "focusX",
  i.focus_y as "focusY", i.animated, i.renderer, i.source_blob_id as "sourceBlobId", b.key as "sourceKey"`;

export function findImageToRender(db: Db, id: string): Promise<ImageToRender | undefined> {
  return one<ImageToRender>(db, {
    name: "image_find_to_render",
    text: `select ${columns} from image.image i left join blob.blob b on b.id = i.source_blob_id where i.id = $1`,
    values: [id],
  });
}

/** Counts a decoding that is about to begin, so that one which takes its pod with it is not begun for ever: how many there were. */
export async function countTry(db: Db, id: string): Promise<number | undefined> {
  const row = await one<{ tries: number }>(db, {
    name: "image_count_try",
    text: `update image.image set tries = tries + 1 where id = $1 returning tries`,
    values: [id],
  });
  return row?.tries;
}

/** Takes a decoding back that was broken off from outside. */
export function discountTry(db: Db, id: string): Promise<number> {
  return run(db, {
    name: "image_discount_try",
    text: `update image.image set tries = greatest(0, tries - 1) where id = $1`,
    values: [id],
  });
}

/** Holds an image until the transaction ends: its state and renderer as they are now. */
export function lockImage(
  tx: Db,
  id: string,
): Promise<Pick<ImageToRender, "state" | "renderer" | "ownerId" | "kind" | "sourceBlobId"> | undefined> {
  return one(tx, {
    name: "image_lock_to_render",
    text: `select state, renderer, owner_id as "ownerId", kind, source_blob_id as "sourceBlobId" from image.image where id = $1 for update`,
    values: [id],
  });
}

export type NewVariant = { name: string; format: "webp" | "avif"; blobId: string; width: number; height: number };

/** Writes variants, in the place of those of the same name and format. */
export function putVariants(
  tx: Db,
  { imageId, variants }: { imageId: string; variants: NewVariant[] },
): Promise<number> {
  return run(tx, {
    name: "image_put_variants",
    text: `insert into image.variant (image_id, name, format, blob_id, width, height)
      select $1, v.name, v.format, v."blobId", v.width, v.height
        from jsonb_to_recordset($2::jsonb) v (name text, format text, "blobId" uuid, width integer, height integer)
      on conflict (image_id, name, format) do update set blob_id = excluded.blob_id, width = excluded.width, height = excluded.height`,
    values: [imageId, JSON.stringify(variants)],
  });
}

type Ready = {
  id: string;
  width: number;
  height: number;
  animated: boolean;
  placeholder: string;
  renderer: number;
  /** Null where the bytes that were sent are not kept. */
  sourceBlobId: string | null;
};

/** Settles an image that the transaction has locked as ready. */
export function settleReady(tx: Db, ready: Ready): Promise<number> {
  return run(tx, {
    name: "image_settle_ready",
    text: `update image.image set state = 'ready', reason = null, width = $2, height = $3, animated = $4, placeholder = $5, renderer = $6,
        source_blob_id = $7, tries = 0, rendered_at = now(), revision = revision + 1, updated_at = now() where id = $1`,
    values: [
      ready.id,
      ready.width,
      ready.height,
      ready.animated,
      ready.placeholder,
      ready.renderer,
      ready.sourceBlobId,
    ],
  });
}

/** Settles an image as rejected, unless it is settled already. */
export function settleRejected(tx: Db, { id, reason }: { id: string; reason: string }): Promise<number> {
  return run(tx, {
    name: "image_settle_rejected",
    text: `update image.image set state = 'rejected', reason = $2, source_blob_id = null, revision = revision + 1, updated_at = now()
      where id = $1 and state = 'processing'`,
    values: [id, reason],
  });
}
