import { Type as t } from "@sinclair/typebox";
import { linkTokenPattern } from "../links/known-links.ts";
import { Sha256 } from "../uploads/model.ts";

export const ManyBlobs = t.Object(
  { sha256: t.Array(Sha256, { minItems: 1, maxItems: 1000 }) },
  { additionalProperties: false },
);
export const Urls = t.Object({ urls: t.Record(t.String(), t.String()), missing: t.Array(t.String()) });
export const LinkedPack = t.Object({
  token: t.String({ pattern: linkTokenPattern }),
  slug: t.String({ maxLength: 64 }),
});
