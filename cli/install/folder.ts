import { lstatSync, mkdirSync, realpathSync } from "node:fs";
import { Fault } from "../../fault.ts";
import { explainDisk } from "./disk.ts";
import { lockFolder } from "./lock.ts";
import { type Places, placesOf } from "./state.ts";

/** Locks a folder, makes it when needed, and tells failures of the disk in words. */
export async function withFolder<Result>(
  dir: string,
  work: (root: string, places: Places) => Promise<Result>,
): Promise<Result> {
  try {
    mkdirSync(dir, { recursive: true });
    const root = realpathSync(dir);
    const places = placesOf(root);
    mkdirSync(places.own, { recursive: true });
    if (lstatSync(places.own).isSymbolicLink()) {
      throw new Fault("not-allowed", `Cannot work in ${dir}: its folder .sunduk is a symbolic link; remove it`);
    }
    const unlock = lockFolder(places.lock, dir);
    try {
      return await work(root, places);
    } finally {
      unlock();
    }
  } catch (error) {
    throw explainDisk(error, dir);
  }
}
