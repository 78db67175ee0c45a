import { Type as t } from "@sinclair/typebox";
import type { Viewer } from "../../db/image.ts";
import type { Api } from "../api.ts";
import type { Caller } from "../tokens.ts";
import { describeImage } from "./describe.ts";
import { Image } from "./model.ts";

const galleryLimit = 12;

export const Gallery = t.Object(
  { items: t.Array(Image), url: t.String({ description: "Where all of them are listed" }) },
  { description: `The first ${galleryLimit} that you may see` },
);
export type Gallery = typeof Gallery.static;

const nobody: Viewer = { userId: null, roles: [], shareId: null };

type Shown = { ownerId: string; caller: Caller | null; viewer: Viewer; url: string };

/**
 * The first of somebody's images, as his profile shows them to this viewer. A limited token that may read profiles and no
 * files is shown what everybody sees.
 */
export async function describeGallery(
  { knownImages }: Pick<Api, "knownImages">,
  { ownerId, caller, viewer, url }: Shown,
): Promise<Gallery> {
  const limited = caller?.scopes && !caller.scopes.some((scope) => scope.startsWith("files:"));
  const reader = limited ? nobody : viewer;
  const rows = await knownImages.listFirst({ ownerId, viewer: reader, limit: galleryLimit });
  return { items: rows.map((row) => describeImage(row, reader)), url };
}
