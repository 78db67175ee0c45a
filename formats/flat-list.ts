import { listDefault } from "./default-files.ts";
import { isStoredHere, type Manifest, type Side } from "./manifest.ts";

type Options = {
  /** Address that bytes are beneath, by their digests. */
  blobs: string;
  /** Whose files; both: all of them. */
  side: Side;
};

/**
 * Renders a version as a list for home-made launchers: `[{path, hash, size, url}]`. `hash` is SHA-256, null for references
 * whose author has not said it; `url` is absolute.
 */
export function renderFlatList(manifest: Manifest, { blobs, side }: Options): string {
  const files = listDefault(manifest, side).map((file) => ({
    path: file.path,
    hash: file.digests.sha256,
    size: file.size,
    url: isStoredHere(file) ? `${blobs}/${file.digests.sha256}` : new URL(file.url).href,
  }));
  return `${JSON.stringify(files)}\n`;
}
