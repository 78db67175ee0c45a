import { Fault } from "../../fault.ts";

/** What an address beneath a pack's asks for. */
export type Wanted =
  | { kind: "pack.toml" | "index.toml"; ref?: string }
  | { kind: "manifest" | "files.json" }
  /** The index of a version as heads show it. */
  | { kind: "indexed"; ref: string }
  | { kind: "blob"; sha256: string }
  | { kind: "mrpack"; ref: string; side: "both" | "server" }
  | { kind: "hmcl" }
  | { kind: "hmcl-file"; path: string }
  | { kind: "path"; path: string };

/** Reads what lies beneath a pack's address, and beneath one of its channels or versions: `ref` is that. */
export function readAddress(path: string, ref?: string): Wanted {
  if (path === "pack.toml" || path === "index.toml") return { kind: path, ...(ref !== undefined && { ref }) };
  if (path === "manifest" || path === "files.json") return { kind: path };
  const indexed = /^index-(.+)\.toml$/.exec(path)?.[1];
  if (indexed) return { kind: "indexed", ref: indexed };
  if (ref !== undefined) return { kind: "path", path };
  const sha256 = /^blobs\/([0-9a-f]{64})$/.exec(path)?.[1];
  if (sha256) return { kind: "blob", sha256 };
  const [, pack, server] = /^([^/]+?)(-server)?\.mrpack$/.exec(path) ?? [];
  if (pack) return { kind: "mrpack", ref: pack, side: server ? "server" : "both" };
  if (path === "hmcl/server-manifest.json") return { kind: "hmcl" };
  if (path.startsWith("hmcl/overrides/")) return { kind: "hmcl-file", path: path.slice("hmcl/overrides/".length) };
  return { kind: "path", path };
}

/**
 * What follows the first `parts` components of an address, decoded once: the URL as it was sent, so that nothing was resolved
 * in it. What it names is looked for among the paths of a manifest, never on a disk. Throws `malformed` for a wrong escape.
 */
export function restOfPath(request: Request, parts: number): string {
  const [address = ""] = request.url.split(/[?#]/);
  const raw = address
    .replace(/^[a-z]+:\/\/[^/]*\//i, "")
    .split("/")
    .slice(parts)
    .join("/");
  try {
    return decodeURIComponent(raw);
  } catch (cause) {
    throw new Fault("malformed", "Cannot read the address: it holds an escape that is no UTF-8", { cause });
  }
}
