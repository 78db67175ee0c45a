import { stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { Config } from "../../config.ts";
import { readSecret } from "../../data-folder.ts";
import { parseSigningKeys } from "../../keys.ts";
import type { DoctorMessages } from "./messages.ts";
import { type Finding, reasonOf } from "./report.ts";

const dayMs = 24 * 3600 * 1000;
const oldDays = 365;

/** How old the key is that signs access tokens. A Vault looks after its own. */
export async function checkKeys({ config, text }: { config: Config; text: DoctorMessages }): Promise<Finding> {
  const area = "keys";
  const own = await readSecret(config.DATA, "SIGNING_KEY");
  const key = config.SIGNING_KEY ?? own;
  if (config.VAULT_ADDR || key === undefined) return { area, state: "skipped", detail: text.noKey };
  try {
    const [newest] = parseSigningKeys(key);
    const file = join(resolve(config.DATA), "secrets", "SIGNING_KEY");
    const writtenMs = config.SIGNING_KEY ? undefined : (await stat(file)).mtimeMs;
    const madeMs = newest?.nbf ? newest.nbf * 1000 : (timeOf(newest?.kid ?? "") ?? writtenMs);
    if (madeMs === undefined) return { area, state: "ok", detail: text.keyOfUnknownAge };
    const days = Math.max(0, Math.floor((Date.now() - madeMs) / dayMs));
    if (days > oldDays) return { area, state: "warning", detail: text.keyAge(days), fix: text.rotateKeys };
    return { area, state: "ok", detail: text.keyAge(days) };
  } catch (error) {
    return { area, state: "broken", detail: reasonOf(error), fix: text.correctSettings };
  }
}

/** Keys that we have made tell in their ids when that was. */
function timeOf(kid: string): number | undefined {
  const found = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)-/.exec(kid);
  if (!found) return undefined;
  const [year = 0, month = 0, ...rest] = found.slice(1).map(Number);
  return Date.UTC(year, month - 1, ...rest);
}
