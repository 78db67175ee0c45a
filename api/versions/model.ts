import { Type as t } from "@sinclair/typebox";
import { ManifestGroup } from "../../formats/manifest.ts";
import { Java, launchSettings, MemoryMb, ServerAddress, Slug } from "../packs/model.ts";
import { PageQuery } from "../pages.ts";
import { Sha256 } from "../uploads/model.ts";

const strict = { additionalProperties: false } as const;
const hex = (digits: number) => t.Optional(t.String({ pattern: `^[0-9a-f]{${digits}}$` }));

export const VersionName = t.String({
  pattern: "^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$",
  description:
    "1 to 64 of letters, digits and . _ + -; not latest, not a channel's name, not ending in -server, .mrpack, .toml or .json; never used twice",
});
export const Channel = t.Union([t.Literal("release"), t.Literal("beta"), t.Literal("alpha")]);
export const Side = t.Union([t.Literal("both"), t.Literal("client"), t.Literal("server")]);
const GameVersion = t.String({ pattern: "^[A-Za-z0-9][A-Za-z0-9 ._+-]{0,63}$" });
const Loader = t.Union([
  t.Object(
    { name: t.String({ pattern: "^[a-z][a-z0-9-]{0,31}$" }), version: t.String({ minLength: 1, maxLength: 64 }) },
    strict,
  ),
  t.Null(),
]);

const GroupId = t.String({ pattern: "^[a-z0-9][a-z0-9-]{0,63}$" });
const GroupIds = t.Array(GroupId, { maxItems: 100, uniqueItems: true });
export const Group = t.Object(
  {
    id: GroupId,
    name: t.String({ minLength: 1, maxLength: 100 }),
    description: t.Optional(t.String({ maxLength: 2000 })),
    required: t.Optional(t.Boolean({ description: "Always taken" })),
    recommended: t.Optional(t.Boolean({ description: "Taken unless the player says otherwise" })),
    exclusive: t.Optional(
      t.String({ ...GroupId, description: "A word: of all groups that say the same one, at most one is taken" }),
    ),
    requires: t.Optional(GroupIds),
    conflicts: t.Optional(GroupIds),
  },
  strict,
);
export type Group = typeof Group.static;

const common = {
  path: t.String({ description: "Relative, its parts divided by /, at most 240 characters" }),
  side: Side,
  optional: t.Optional(
    t.Boolean({ description: "Of a file in a group its group says it: whether it is not required" }),
  ),
  group: t.Optional(GroupId),
  preserve: t.Optional(t.Boolean()),
};
const StoredFile = t.Object({ ...common, sha256: Sha256, size: t.Integer({ minimum: 0 }) }, strict);
const ReferenceFile = t.Object(
  {
    ...common,
    url: t.String({ pattern: "^https?://[^\\s]+$", maxLength: 2000 }),
    digests: t.Object(
      {
        sha512: hex(128),
        sha256: hex(64),
        sha1: hex(40),
        md5: hex(32),
        murmur2: t.Optional(t.String({ pattern: "^\\d{1,10}$" })),
      },
      { ...strict, minProperties: 1 },
    ),
    size: t.Optional(t.Integer({ minimum: 0 })),
  },
  strict,
);
export const DeclaredFile = t.Union([StoredFile, ReferenceFile]);
export type DeclaredFile = typeof DeclaredFile.static;

const Files = t.Array(DeclaredFile, { minItems: 1, maxItems: 100_000 });
const Groups = t.Array(Group, { maxItems: 100 });
const Changelog = t.String({ maxLength: 100_000, description: "Markdown" });
const Mirror = t.Boolean({ description: "Fetch references whose host the operator allows, and keep their bytes" });

export const NewVersion = t.Object(
  {
    version: VersionName,
    channel: Channel,
    minecraft: GameVersion,
    loader: Loader,
    changelog: t.Optional(Changelog),
    ...launchSettings,
    mirror: t.Optional(Mirror),
    groups: t.Optional(Groups),
    files: Files,
  },
  strict,
);
export type NewVersion = typeof NewVersion.static;

export const VersionChange = t.Object(
  {
    channel: t.Optional(Channel),
    minecraft: t.Optional(GameVersion),
    loader: t.Optional(Loader),
    changelog: t.Optional(Changelog),
    ...launchSettings,
    mirror: t.Optional(Mirror),
    groups: t.Optional(t.Array(Group, { maxItems: 100, description: "Said together with files" })),
    files: t.Optional(Files),
  },
  { additionalProperties: false, minProperties: 1 },
);
export type VersionChange = typeof VersionChange.static;

export const VersionParams = t.Object({ slug: Slug, version: VersionName });
export const DiffParams = t.Object({ slug: Slug, from: VersionName, to: VersionName });
export const VersionsQuery = t.Object({ ...PageQuery }, strict);
export const LatestQuery = t.Object({ channel: t.Optional(Channel) }, strict);
export const ArchiveQuery = t.Object(
  { format: t.Optional(t.Union([t.Literal("mrpack"), t.Literal("zip")])), side: t.Optional(Side) },
  strict,
);
const Time = t.String({ format: "date-time", description: "RFC 3339" });
export const Publishing = t.Object({ at: t.Optional(Time) }, strict);
export const Scheduled = t.Object({ publishAt: Time });
export const Withdrawal = t.Object(
  {
    reason: t.String({ minLength: 1, maxLength: 1000 }),
    block: t.Optional(t.Boolean({ description: "Admins only: block its digests on the whole server" })),
  },
  strict,
);

export const Version = t.Object({
  pack: t.String(),
  version: t.String(),
  channel: Channel,
  minecraft: t.String(),
  loader: Loader,
  changelog: t.String(),
  java: t.Optional(Java),
  memoryMb: t.Optional(MemoryMb),
  serverAddress: t.Optional(ServerAddress),
  groups: t.Optional(t.Array(ManifestGroup)),
  state: t.Union([t.Literal("draft"), t.Literal("publishing"), t.Literal("published"), t.Literal("withdrawn")]),
  files: t.Integer({ description: "How many" }),
  broken: t.Optional(
    t.Integer({
      description: "Files whose stored bytes are missing or changed: served to nobody until they are sent again",
    }),
  ),
  sizeBytes: t.Integer({ description: "Of all files whose size is known" }),
  createdAt: t.String(),
  publishAt: t.Optional(t.String({ description: "When the draft is published by itself" })),
  publishedAt: t.Optional(t.String()),
  yankedAt: t.Optional(t.String()),
  withdrawnReason: t.Optional(t.String()),
  manifest: t.Optional(t.String()),
  missing: t.Optional(
    t.Array(
      t.Object({
        sha256: t.String(),
        size: t.Integer(),
        state: t.Optional(t.String()),
        reason: t.Optional(t.String()),
      }),
    ),
  ),
  mirroring: t.Optional(
    t.Array(t.Object({ path: t.String(), url: t.String(), state: t.String(), reason: t.Optional(t.String()) })),
  ),
});
export type Version = typeof Version.static;
export const Versions = t.Object({ items: t.Array(Version), nextCursor: t.Union([t.String(), t.Null()]) });

export const ManifestSignatures = t.Object({
  signatures: t.Array(
    t.Object({
      keyId: t.String(),
      algorithm: t.Literal("Ed25519"),
      signature: t.String({ description: "RFC 8032, base64url: over the manifest's bytes" }),
    }),
    { description: "Newest key first" },
  ),
});

const Changed = t.Object({ path: t.String(), size: t.Union([t.Integer(), t.Null()]) });
export const Diff = t.Object({
  from: t.String(),
  to: t.String(),
  added: t.Array(Changed),
  changed: t.Array(Changed),
  removed: t.Array(Changed),
  moved: t.Array(t.Object({ from: t.String(), to: t.String(), size: t.Union([t.Integer(), t.Null()]) })),
  groups: t.Object({ added: t.Array(t.String()), changed: t.Array(t.String()), removed: t.Array(t.String()) }),
  bytesToFetch: t.Integer({
    description: "Of what is added or changed and not in the older version under another path",
  }),
});
