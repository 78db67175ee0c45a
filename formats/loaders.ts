import { isLoaderKey, type LoaderKey } from "../loader-profile.ts";
import type { Manifest } from "./manifest.ts";

/** A mod loader by one name, however its author spelt it: launchers call Fabric's and Quilt's with and without `-loader`. */
export function plainLoader(name: string): string {
  return name === "fabric-loader" || name === "quilt-loader" ? name.slice(0, -"-loader".length) : name;
}

/** The loader of a version as its makers name it; undefined where they are not asked, or could not be. */
export function findLoaderKey({ loader, minecraft }: Pick<Manifest, "loader" | "minecraft">): LoaderKey | undefined {
  const key = loader && { name: plainLoader(loader.name), version: loader.version, minecraft };
  return key && isLoaderKey(key) ? key : undefined;
}
