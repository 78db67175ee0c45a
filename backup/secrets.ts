import { mkdir, rename, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { Type as t } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import type { Config } from "../config.ts";
import { readSecret } from "../data-folder.ts";
import { Fault } from "../fault.ts";
import { madeSecrets } from "../secrets.ts";
import { secretsPart } from "./create.ts";
import type { Manifest } from "./manifest.ts";
import { readPart } from "./parts.ts";
import type { Sealing } from "./sealing.ts";
import type { BackupStore } from "./store.ts";

const Secrets = t.Record(t.String(), t.String());

/** The secrets that the server made for itself, or was given: without them second factors and webhooks are lost. Vault keeps its own. */
export async function collectSecrets(config: Config): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const name of Object.keys(madeSecrets).filter(isMade)) {
    const value = config[name] ?? (await readSecret(config.DATA, name));
    if (value) found[name] = value.trim();
  }
  return found;
}

type MadeSecret = keyof typeof madeSecrets;
const isMade = (name: string): name is MadeSecret => name in madeSecrets;

type Source = { store: BackupStore; manifest: Manifest; sealing: Sealing | undefined; signal: AbortSignal };

/**
 * Puts the secrets of an encrypted backup into the data folder. One that is there already and differs is kept beside it, as
 * `NAME.before`; one that comes from the settings is only named.
 */
export async function restoreSecrets(
  config: Config,
  { store, manifest, sealing, signal }: Source,
): Promise<{ written: string[]; different: string[] }> {
  const told: { written: string[]; different: string[] } = { written: [], different: [] };
  if (!manifest.secrets || !sealing) return told;
  const pieces: Uint8Array[] = [];
  for await (const piece of readPart(store, secretsPart(manifest.name), { sealing, signal })) pieces.push(piece);
  const secrets: unknown = JSON.parse(Buffer.concat(pieces).toString("utf8"));
  if (!Value.Check(Secrets, secrets)) throw new Fault("invalid", "Cannot restore the secrets: they are none of ours");
  for (const [name, value] of Object.entries(secrets)) {
    if (!isMade(name)) continue;
    const here = (await readSecret(config.DATA, name))?.trim();
    if (config[name] !== undefined || config.VAULT_ADDR !== undefined) {
      if (config[name] !== value) told.different.push(name);
    } else if (here !== value) {
      const file = join(resolve(config.DATA), "secrets", name);
      if (here !== undefined) await rename(file, `${file}.before`);
      await mkdir(dirname(file), { recursive: true, mode: 0o700 });
      await writeFile(`${file}.new`, value, { mode: 0o600 });
      await rename(`${file}.new`, file);
      told.written.push(name);
    }
  }
  return told;
}
