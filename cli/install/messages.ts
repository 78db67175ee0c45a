import type { Offer } from "./choose.ts";
import type { InstallResult } from "./index.ts";
import type { KeepReason } from "./plan.ts";
import type { VerifyResult } from "./verify.ts";

const reasonsEn: Record<KeepReason, string> = {
  edited: "you changed it",
  "edited-and-dropped": "you changed it, and the pack no longer has it",
  preserve: "the pack leaves it to you",
  "was-there-before": "it was there before the pack, which no longer has it",
};

const reasonsRu: Record<KeepReason, string> = {
  edited: "вы его изменили",
  "edited-and-dropped": "вы его изменили, а в сборке его больше нет",
  preserve: "сборка оставляет его вам",
  "was-there-before": "он был здесь до сборки, а в ней его больше нет",
};

const en = {
  fetching: "Fetching",
  upToDate: (result: InstallResult) => `${result.pack} ${result.version} is up to date.`,
  installed: (result: InstallResult, size: string) =>
    `Installed ${result.pack} ${result.version} (${result.side}): ${result.fetched} fetched (${size}), ` +
    `${result.copied} from files that were here, ${result.unchanged} unchanged, ${result.removed} removed.`,
  kept: (path: string, reason: KeepReason) => `  kept ${path}: ${reasonsEn[reason]}`,
  backedUp: (path: string) => `  set aside ${path}: now under .sunduk/backup`,
  optional: ({ name, description, taken }: Offer) =>
    `  optional: ${name}${description === undefined ? "" : ` (${description})`} — ` +
    (taken ? "taken; leave it out with --without" : "not taken; take it with --group"),
  intact: (result: VerifyResult) =>
    `${result.installed.pack} ${result.installed.version}: all ${result.checked} files are right.`,
  missing: (path: string) => `  missing ${path}`,
  changed: (path: string) => `  changed ${path}`,
  extra: (path: string) => `  left over ${path}`,
  broken: (count: number) => `${count} files are not as installed; put them right with --repair.`,
};

/** What `pack install` and `pack verify` say, in one language. */
export type InstallMessages = typeof en;

const ru: InstallMessages = {
  fetching: "Загрузка",
  upToDate: (result) => `${result.pack} ${result.version}: обновлять нечего.`,
  installed: (result, size) =>
    `Установлено: ${result.pack} ${result.version} (${result.side}); загружено ${result.fetched} (${size}), ` +
    `взято на месте ${result.copied}, без изменений ${result.unchanged}, удалено ${result.removed}.`,
  kept: (path, reason) => `  оставлен ${path}: ${reasonsRu[reason]}`,
  backedUp: (path) => `  отложен ${path}: теперь в .sunduk/backup`,
  optional: ({ name, description, taken }) =>
    `  по желанию: ${name}${description === undefined ? "" : ` (${description})`} — ` +
    (taken ? "есть; отказаться: --without" : "нет; добавить: --group"),
  intact: (result) =>
    `${result.installed.pack} ${result.installed.version}: проверено файлов — ${result.checked}, все верны.`,
  missing: (path) => `  нет ${path}`,
  changed: (path) => `  изменён ${path}`,
  extra: (path) => `  лишний ${path}`,
  broken: (count) => `Отличаются от установленных: ${count}; исправить можно с --repair.`,
};

/** The messages of a language. */
export function installMessages(language: "en" | "ru"): InstallMessages {
  return language === "ru" ? ru : en;
}
