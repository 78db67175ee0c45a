import { type Static, Type as t } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { Fault } from "../fault.ts";

const Sha256 = t.String({ pattern: "^[0-9a-f]{64}$" });
/** Names and bounds become SQL when a backup is restored, and where nothing is signed a manifest may be anybody's. */
const word = '(?:[a-z_][a-z0-9_$]*|"[^"]+")';
const Column = t.String({ pattern: `^${word}$` });
const Named = t.String({ pattern: `^${word}\\.${word}$` });
const Bound = t.String({ pattern: "^(DEFAULT|FOR VALUES [\\w '():.,+-]+)$" });

/** The moment, and some random digits; `point` in the name of a restore point. */
export const BackupName = t.String({ pattern: "^[0-9]{8}T[0-9]{9}Z-(point-)?[0-9a-f]{6}$" });

/** What a backup says of itself: written last, so that a backup without one is none. */
export const Manifest = t.Object({
  format: t.Literal(1),
  name: BackupName,
  /** A restore point has no objects of its own: those of the storage are meant. */
  kind: t.Union([t.Literal("backup"), t.Literal("restore-point")]),
  why: t.String(),
  madeAt: t.String(),
  /** Where the transactions of its server had come to. */
  xid: t.String({ pattern: "^[0-9]{1,20}$" }),
  program: t.String(),
  encrypted: t.Boolean(),
  migrations: t.Array(t.Object({ name: t.String(), digest: Sha256 })),
  /** Digests and sizes are those of the rows in COPY's text form, before they are packed and sealed. */
  tables: t.Array(
    t.Object({
      name: Named,
      columns: t.Array(Column),
      rows: t.Integer({ minimum: 0 }),
      sizeBytes: t.Integer({ minimum: 0 }),
      sha256: Sha256,
    }),
  ),
  partitions: t.Array(t.Object({ name: Named, of: Named, bound: Bound })),
  sequences: t.Array(t.Object({ name: Named, value: t.String({ pattern: "^-?[0-9]+$" }) })),
  /** `sha256` is that of the list. `damaged` are those that the storage no longer had as they should be. */
  objects: t.Object({
    count: t.Integer({ minimum: 0 }),
    sizeBytes: t.Integer({ minimum: 0 }),
    sha256: Sha256,
    copied: t.Integer({ minimum: 0 }),
    copiedBytes: t.Integer({ minimum: 0 }),
    damaged: t.Array(t.Object({ key: t.String(), sha256: Sha256, reason: t.String() })),
  }),
  /** Whether the server's own secrets are in it: only where it is encrypted. */
  secrets: t.Boolean(),
});
export type Manifest = Static<typeof Manifest>;

const Signed = t.Object({ manifest: Manifest, sign: t.String() });
export type Sign = (text: string) => string;

/** The manifest as a file, signed: by a key, which proves who wrote it, or by its SHA-256, which shows that it is whole. */
export function writeManifest(manifest: Manifest, sign: Sign | undefined): string {
  return JSON.stringify({ manifest, sign: (sign ?? digest)(JSON.stringify(manifest)) }, null, 1);
}

/** Reads one. Without the key that of an encrypted backup is believed. Fault: invalid when it is damaged, or not signed by the key. */
export function readManifest(text: string, { name, sign }: { name: string; sign: Sign | undefined }): Manifest {
  let read: unknown;
  try {
    read = JSON.parse(text);
  } catch (cause) {
    throw new Fault("invalid", `Cannot read the backup ${name}: its manifest is damaged`, { cause });
  }
  if (!Value.Check(Signed, read) || read.manifest.name !== name)
    throw new Fault("invalid", `Cannot read the backup ${name}: its manifest is damaged, or of a newer format`);
  const { manifest } = read;
  const check = manifest.encrypted ? sign : digest;
  if (check && check(JSON.stringify(manifest)) !== read.sign)
    throw new Fault("invalid", `Cannot read the backup ${name}: its manifest was changed`);
  return manifest;
}

const digest = (text: string) => new Bun.CryptoHasher("sha256").update(text).digest("hex");
