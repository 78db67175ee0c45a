import type { ImageRow } from "../db/image.ts";
import type { Deps } from "../deps.ts";
import type { ManifestSigner } from "../manifest-signature.ts";
import type { Seal } from "../seal.ts";
import type { Passwords } from "./accounts/passwords.ts";
import type { Analytics } from "./analytics/recorder.ts";
import type { KnownBlobs } from "./blobs/known-blobs.ts";
import type { Identify } from "./caller.ts";
import type { RequestCounts } from "./health/request-counts.ts";
import type { KnownImages } from "./images/known-images.ts";
import type { Manifests } from "./launchers/releases.ts";
import type { KnownLinks } from "./links/known-links.ts";
import type { IdTokenKeys } from "./oauth/id-token-keys.ts";
import type { RateLimits } from "./rate-limits.ts";
import type { Revocations } from "./revocations.ts";
import type { Tokens } from "./tokens.ts";
import type { Give } from "./versions/give.ts";

/** What the features of the API are given. */
export type Api = Deps & {
  tokens: Tokens;
  revocations: Revocations;
  rateLimits: RateLimits;
  identify: Identify;
  passwords: Passwords;
  seal: Seal;
  idTokenKeys: IdTokenKeys;
  requestCounts: RequestCounts;
  analytics: Analytics;
  knownImages: KnownImages<ImageRow>;
  knownLinks: KnownLinks;
  knownBlobs: KnownBlobs;
  manifests: Manifests;
  manifestSigner: ManifestSigner;
  give: Give;
  /** The client's address, as far as it can be believed. */
  addressOf: (request: Request, peer: string | undefined) => string;
};
