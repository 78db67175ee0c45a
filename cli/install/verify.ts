import { existsSync } from "node:fs";
import { Fault } from "../../fault.ts";
import { chooseFiles } from "./choose.ts";
import { withFolder } from "./folder.ts";
import { listWanted, parseManifest } from "./manifest.ts";
import { planInstall } from "./plan.ts";
import { scanFolder } from "./scan.ts";
import { type InstalledState, keptChoice, placesOf, readClaims, readState } from "./state.ts";

/** How a folder differs from the version that was installed into it; the lists hold paths. */
export type VerifyResult = {
  installed: Pick<InstalledState, "pack" | "version" | "side" | "server" | "source">;
  checked: number;
  missing: string[];
  /** Other bytes than the version's, by the player or by a fault of the disk. */
  changed: string[];
  /** Put there by this program, and not of this version: left by a run that was killed. */
  extra: string[];
};

/** Reads every installed file and compares it with its digest; changes nothing, asks no server. Faults: not-found. */
export async function verifyFolder(dir: string, options: { signal: AbortSignal }): Promise<VerifyResult> {
  const nothing = new Fault("not-found", `Cannot verify ${dir}: no pack is installed there; run sunduk pack install`);
  if (!existsSync(placesOf(dir).own)) throw nothing;
  return withFolder(dir, async (root, places) => {
    const state = readState(places);
    if (state === undefined) throw nothing;
    const { files } = chooseFiles(parseManifest(state.manifest), {
      side: state.side,
      kept: keptChoice(state),
      given: {},
    });
    const wanted = listWanted(files);
    const { claims } = readClaims(places, state);
    const found = await scanFolder(root, { wanted, claims, state, full: true, signal: options.signal });
    const plan = planInstall({ wanted, claims, found, edited: "keep" });
    const { pack, version, side, server, source } = state;
    const place = plan.place.map(({ wanted: file }) => file.path);
    const edited = plan.keep.filter((kept) => kept.reason === "edited").map((kept) => kept.path);
    return {
      installed: { pack, version, side, server, ...(source && { source }) },
      checked: wanted.length,
      missing: place.filter((path) => !found.has(path)).sort(),
      changed: [...place.filter((path) => found.has(path)), ...edited].sort(),
      extra: plan.remove.sort(),
    };
  });
}
