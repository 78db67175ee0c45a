// One side of the race between publishing and collecting, as a process of its own that may be killed at any time.
import { readConfig } from "../../config.ts";
import { openDeps } from "../../deps.ts";
import { testLog } from "../harness.ts";
import { runSweep } from "../storage-rows.ts";
import { publishOnce } from "./publish-side.ts";

const [side = "", userId = "", slug = "", packId = ""] = process.argv.slice(2);
const config = readConfig({ environment: process.env });
const deps = await openDeps({ config, log: testLog, name: side, publicUrl: () => "http://127.0.0.1:1" });
process.stdout.write("ready\n");
const parent = process.ppid;
while (process.ppid === parent) {
  if (side === "collect") await runSweep(deps, { force: true });
  else {
    const outcome = await publishOnce(deps, { author: { userId, slug, packId }, version: crypto.randomUUID() });
    process.stdout.write(`${outcome}\n`);
  }
}
