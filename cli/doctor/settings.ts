import { Config, ConfigError, readConfig } from "../../config.ts";
import manifest from "../../package.json" with { type: "json" };
import type { DoctorMessages } from "./messages.ts";
import type { Finding } from "./report.ts";

type Environment = Record<string, string | undefined>;

/** Prefixes of names that can only be meant for us. */
const prefixes = ["S3_", "LIMIT_", "IMAGE_", "SWEEP_", "RESEND_", "REDIS_", "DATABASE_", "PUBLIC_URL"];
const nearEnough = 2;

/** Reads the settings as the server would. Undefined when it could not start with them. */
export function checkSettings(
  { environment, file }: { environment: Environment; file: string | undefined },
  text: DoctorMessages,
): { findings: Finding[]; config: Config | undefined } {
  const unknown = listMisspelt(environment).map(
    ({ name, near }): Finding => ({
      area: "settings",
      state: "warning",
      detail: text.unknownSetting(name, near),
      fix: text.renameSetting,
    }),
  );
  try {
    const config = readConfig({ environment, ...(file !== undefined && { file }) });
    const findings =
      unknown.length > 0 ? unknown : [{ area: "settings", state: "ok", detail: text.settingsRead } as const];
    return { findings, config };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const lines = error.message.split("\n").slice(1);
    const told = lines.length > 0 ? lines : [error.message];
    const broken = told.map(
      (line): Finding => ({ area: "settings", state: "broken", detail: line.trim(), fix: text.correctSettings }),
    );
    return { findings: [...broken, ...unknown], config: undefined };
  }
}

/** Whether the pinned Bun runs this. */
export function checkBun(text: DoctorMessages): Finding {
  const wanted = manifest.engines.bun;
  const detail = text.bun(Bun.version, wanted);
  if (Bun.version === wanted) return { area: "bun", state: "ok", detail };
  return { area: "bun", state: "warning", detail, fix: text.startOverScript };
}

/** Variables that look like a setting of ours and are none, each with the setting that is nearest. */
export function listMisspelt(environment: Environment): { name: string; near: string | undefined }[] {
  const names = Object.keys(Config.properties);
  const known = new Set(names.flatMap((name) => [name, `${name}_FILE`]));
  return Object.keys(environment).flatMap((name) => {
    if (known.has(name) || name !== name.toUpperCase()) return [];
    const bare = name.replace(/_FILE$/, "");
    const near = names
      .map((other) => ({ other, distance: countEdits(bare.replaceAll("_", ""), other.replaceAll("_", "")) }))
      .toSorted((one, two) => one.distance - two.distance)[0];
    // Two letters off is a slip in a long name, and another word among the short ones.
    const isNear = near !== undefined && near.distance <= nearEnough && near.other.length > 6;
    if (!isNear && !prefixes.some((prefix) => name.startsWith(prefix))) return [];
    return [{ name, near: isNear ? near.other : undefined }];
  });
}

/** Letters to insert, drop or replace between two words (Levenshtein). */
function countEdits(one: string, two: string): number {
  let row = Array.from({ length: two.length + 1 }, (_, index) => index);
  for (let at = 1; at <= one.length; at += 1) {
    const next = [at];
    for (let to = 1; to <= two.length; to += 1) {
      const replaced = (row[to - 1] ?? 0) + (one[at - 1] === two[to - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[to] ?? 0) + 1, (next[to - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[two.length] ?? 0;
}
