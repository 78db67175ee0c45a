import { stat } from "node:fs/promises";
import { Fault } from "../../fault.ts";
import { descriptionName, readFolder } from "./folder.ts";
import { readMrpack } from "./mrpack.ts";
import { readPackwiz } from "./packwiz.ts";
import { holds, type PackSource, type SourceOptions } from "./source.ts";

export type { PackSource, SourceFile } from "./source.ts";

/**
 * Reads a pack from a packwiz folder, a folder with sunduk.toml, or an .mrpack; `close()` it afterwards. Throws Fault
 * "not-found" when nothing is there and "invalid" when it is none of these or damaged.
 */
export async function readSource(path: string, options: SourceOptions = {}): Promise<PackSource> {
  const found = await stat(path).catch(() => undefined);
  if (!found) throw new Fault("not-found", `Read ${path}: there is no such file or folder`);
  if (found.isFile()) return readMrpack(path, options);
  if (await holds(path, descriptionName)) return readFolder(path, options);
  if (await holds(path, "pack.toml")) return readPackwiz(path, options);
  throw new Fault("invalid", `Read ${path}: it holds neither pack.toml (packwiz) nor ${descriptionName}`);
}
