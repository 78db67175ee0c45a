/** A mod loader by one name, however its author spelt it: launchers call Fabric's and Quilt's with and without `-loader`. */
export function plainLoader(name: string): string {
  return name === "fabric-loader" || name === "quilt-loader" ? name.slice(0, -"-loader".length) : name;
}
