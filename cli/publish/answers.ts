import { type Static, Type as t } from "@sinclair/typebox";

// What the server answers to `pack publish` and the commands that show packs; members that are not read are left out.

const Loader = t.Union([t.Object({ name: t.String(), version: t.String() }), t.Null()]);

/** A digest and size, in bytes, of a file that the server wants. */
export const Missing = t.Object({
  sha256: t.String(),
  size: t.Number(),
  state: t.Optional(t.Union([t.String(), t.Null()])),
  reason: t.Optional(t.Union([t.String(), t.Null()])),
});
export type Missing = Static<typeof Missing>;

export const Version = t.Object({
  version: t.String(),
  channel: t.String(),
  state: t.Optional(t.String()),
  minecraft: t.Optional(t.String()),
  loader: t.Optional(Loader),
  publishedAt: t.Optional(t.Union([t.String(), t.Null()])),
  yankedAt: t.Optional(t.Union([t.String(), t.Null()])),
  missing: t.Optional(t.Array(Missing)),
  mirroring: t.Optional(
    t.Array(
      t.Object({
        path: t.String(),
        url: t.String(),
        state: t.String(),
        reason: t.Optional(t.Union([t.String(), t.Null()])),
      }),
    ),
  ),
});
export type Version = Static<typeof Version>;

export const Pack = t.Object({
  slug: t.String(),
  name: t.String(),
  summary: t.Optional(t.Union([t.String(), t.Null()])),
  visibility: t.String(),
});

export const Manifest = t.Object({
  files: t.Array(
    t.Object({
      path: t.String(),
      size: t.Optional(t.Union([t.Number(), t.Null()])),
      digests: t.Record(t.String(), t.Union([t.String(), t.Number(), t.Null()])),
    }),
  ),
});
export type Manifest = Static<typeof Manifest>;

export const Upload = t.Object({
  id: t.Optional(t.String()),
  state: t.Optional(t.String()),
  reason: t.Optional(t.Union([t.String(), t.Null()])),
  method: t.Optional(t.String()),
  url: t.Optional(t.String()),
  headers: t.Optional(t.Record(t.String(), t.String())),
  parts: t.Optional(
    t.Array(
      t.Object({
        number: t.Number(),
        url: t.String(),
        headers: t.Optional(t.Record(t.String(), t.String())),
        sizeBytes: t.Number(),
        offset: t.Number(),
      }),
    ),
  ),
});
export type Upload = Static<typeof Upload>;

/** A job, or the time at which it begins. */
export const PublishAnswer = t.Object({
  job: t.Optional(t.Object({ id: t.String() })),
  publishAt: t.Optional(t.String()),
});

export const JobAnswer = t.Object({ job: t.Object({ id: t.String() }) });

export const Job = t.Object({
  id: t.String(),
  state: t.String(),
  progress: t.Optional(t.Union([t.Number(), t.Null()])),
  problem: t.Optional(t.Unknown()),
});

/** One page of a list. */
export function pageOf<Item extends Parameters<typeof t.Array>[0]>(item: Item) {
  return t.Object({ items: t.Array(item), nextCursor: t.Optional(t.Union([t.String(), t.Null()])) });
}
