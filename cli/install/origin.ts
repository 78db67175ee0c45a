import { type Static, Type } from "@sinclair/typebox";
import type { Side } from "../../formats/manifest.ts";
import type { ManifestKey } from "../../manifest-signature.ts";

/**
 * By what a pack is asked for again, where its name on a server is not enough. The address may be the secret that opens the
 * pack: it is kept in the state file, and told to nobody.
 */
export const Source = Type.Object({
  kind: Type.Union([Type.Literal("link"), Type.Literal("packwiz"), Type.Literal("mrpack")]),
  address: Type.String(),
});
export type Source = Static<typeof Source>;

/** A public key that manifests are signed with. */
export const KnownKey = Type.Object({
  id: Type.String(),
  algorithm: Type.Literal("Ed25519"),
  publicKey: Type.String(),
});

export type Wish = {
  /** Without a version, the newest of the channel; without a channel, of releases, or of the link's. */
  version?: string | undefined;
  channel?: string | undefined;
  side: Side;
  /** What is in the folder already, of the same origin and for the same side. */
  known: { version: string; etag: string } | undefined;
  signal: AbortSignal;
};

/** A version as it came: `body` is a manifest in the native form. */
export type Release = { etag: string; body: unknown; signed?: SignedBytes };
/** The manifest's own bytes and what their server says of them. */
export type SignedBytes = { text: string; signature: string | null };

/** Where a pack comes from. */
export type Origin = {
  /** The server's address: told to people, without anything secret. */
  url: string;
  /** The pack's name there; undefined where only the pack itself tells it. */
  slug: string | undefined;
  source: Source | undefined;
  /** The version that is wished for; undefined when it is the one that is known, unchanged. */
  readRelease(wish: Wish): Promise<Release | undefined>;
  /** Pre-signed addresses for at most 1,000 blobs; they need no token, and do not last. */
  signUrls(sha256s: string[], options: { signal: AbortSignal }): Promise<Map<string, string>>;
  /** At most 1,000 small files as one tar; undefined where there is no such thing. */
  openBundle?(sha256s: string[], options: { signal: AbortSignal }): Promise<Response>;
  /** The keys that its server signs manifests with; undefined where none are signed. */
  readKeys?(options: { signal: AbortSignal }): Promise<ManifestKey[]>;
  /** Files that come inside the pack's own archive: where they were unpacked to, by their SHA-256. */
  unpack?(wish: Pick<Wish, "side" | "signal">): Promise<ReadonlyMap<string, string>>;
  close?(): Promise<void>;
};
