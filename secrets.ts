import { access, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { makeGameKey } from "./game-key.ts";
import { makeSecret, makeSigningKey } from "./keys.ts";

/** The secrets that Sunduk makes for itself, and how. File names are the settings' names. */
export const madeSecrets = {
  SIGNING_KEY: makeSigningKey,
  TOKEN_SECRET: makeSecret,
  STORAGE_SECRET: makeSecret,
  NOTIFICATION_SECRET: makeSecret,
  YGGDRASIL_KEY: makeGameKey,
  MANIFEST_KEY: makeSigningKey,
} as const;

/** Writes the secrets that are not there yet as files of mode 0600. */
export async function writeSecrets(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  for (const [name, make] of Object.entries(madeSecrets)) {
    const path = join(folder, name);
    const there = await access(path).then(
      () => true,
      () => false,
    );
    if (!there) await writeFile(path, await make(), { mode: 0o600, flag: "wx" });
    process.stdout.write(`${path}${there ? " (kept)" : ""}\n`);
  }
}
