import { listDefault } from "./default-files.ts";
import { plainLoader } from "./loaders.ts";
import type { Manifest } from "./manifest.ts";

/** Loaders by HMCL's ids of addons. */
const addons = new Set(["fabric", "forge", "neoforge", "quilt", "liteloader", "optifine"]);

/**
 * Renders `server-manifest.json` of HMCL's self-hosted packs. `fileApi` is the address that `/server-manifest.json` and
 * `/overrides/{path}` are beneath. It lists what a client gets, by SHA-1; HMCL removes what is listed no longer and keeps
 * what the player has changed. References whose SHA-1 nobody knows have no place in it.
 */
export function renderHmcl(manifest: Manifest, { fileApi }: { fileApi: string }): string {
  const { pack, version, minecraft, loader } = manifest;
  const name = loader && plainLoader(loader.name);
  const shown = {
    name: pack.name || pack.slug,
    author: "",
    version,
    description: "",
    fileApi,
    files: listDefault(manifest, "client").flatMap(({ path, digests: { sha1 } }) =>
      sha1 === null ? [] : [{ path, hash: sha1 }],
    ),
    addons: [
      { id: "game", version: minecraft },
      ...(loader && name && addons.has(name) ? [{ id: name, version: loader.version }] : []),
    ],
  };
  return `${JSON.stringify(shown, null, 2)}\n`;
}
