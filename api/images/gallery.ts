import { Type as t } from "@sinclair/typebox";
import type { Viewer } from "../../db/image.ts";
import type { Api } from "../api.ts";
import { describeImage } from "./describe.ts";
import { Image } from "./model.ts";

const galleryLimit = 12;

export const Gallery = t.Object(
  { items: t.Array(Image), url: t.String({ description: "Where all of them are listed" }) },
  { description: `The first ${galleryLimit} that you may see` },
);
export type Gallery = typeof Gallery.static;

/** The first of somebody's images, as his profile shows them to this viewer. */
export async function describeGallery(
  { knownImages }: Pick<Api, "knownImages">,
  { ownerId, viewer, url }: { ownerId: string; viewer: Viewer; url: string },
): Promise<Gallery> {
  const rows = await knownImages.listFirst({ ownerId, viewer, limit: galleryLimit });
  return { items: rows.map((row) => describeImage(row, viewer)), url };
}
