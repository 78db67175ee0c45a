import { t } from "elysia";

const size = t.Integer({ description: "Bytes" });
const count = t.Integer({ minimum: 0 });
const Fuse = t.Object({
  share: t.Number({ description: "Of all there are, what would go" }),
  limit: t.Number({ description: "SWEEP_MAX_SHARE" }),
  blown: t.Boolean({ description: "Too much: the sweep takes none of these unless forced" }),
});

/** What the next sweep would remove: lists hold the first 100, totals say how many there are. */
export const DryRun = t.Object({
  blobs: t.Array(t.Object({ sha256: t.String(), key: t.String(), size, touchedAt: t.String(), reason: t.String() })),
  drafts: t.Array(t.Object({ slug: t.String(), version: t.String(), expiredAt: t.String() })),
  uploads: t.Array(t.Object({ id: t.String(), name: t.String(), size, expiredAt: t.String() })),
  images: t.Array(t.Object({ id: t.String(), name: t.String(), size, expiredAt: t.String() })),
  doomed: t.Array(t.Object({ key: t.String(), size, reason: t.String(), removeAfter: t.String() }), {
    description: "Objects whose rows are gone",
  }),
  orphans: t.Array(t.Object({ key: t.String(), size, modifiedAt: t.String(), reason: t.String() })),
  totals: t.Object({
    blobs: count,
    blobBytes: size,
    drafts: count,
    versions: t.Integer({ minimum: 0, description: "Of deleted packs" }),
    uploads: count,
    uploadBytes: size,
    unverified: t.Integer({ minimum: 0, description: "Uploads whose verification was given up" }),
    albumArchives: t.Integer({ minimum: 0, description: "Archives of albums that are a week old" }),
    images: t.Integer({ minimum: 0, description: "Whose bytes have not come in time" }),
    imageBytes: size,
    unrendered: t.Integer({ minimum: 0, description: "Images whose rendering was given up" }),
    rejectedImages: t.Integer({ minimum: 0, description: "Images that were rejected more than a week ago" }),
    attempts: t.Integer({ minimum: 0, description: "Keys that a crash left half-written" }),
    doomed: count,
    doomedBytes: size,
    due: t.Integer({ minimum: 0, description: "Doomed objects whose time has come" }),
    orphans: count,
    orphansComplete: t.Boolean({ description: "False when there are more objects than a dry run looks at" }),
    liveBlobs: count,
    liveBytes: size,
  }),
  fuse: Fuse,
  orphanFuse: Fuse,
  pausedBy: t.Optional(t.String({ description: "What keeps the sweep from running now" })),
});
export type DryRun = typeof DryRun.static;
