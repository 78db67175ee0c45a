import type { Manifest } from "../../backup/manifest.ts";
import { formatBytes, formatTable } from "../output.ts";

type Sums = { name: string; place: string; objects: Manifest["objects"]; rows: number; encrypted: boolean };

const en = {
  database: "Tables",
  objects: "Objects",
  made: ({ name, place, objects, rows }: Sums) =>
    `Made ${name} at ${place}: ${rows} rows, ${objects.count} objects (${formatBytes(objects.sizeBytes)}), of which ${objects.copied} were copied (${formatBytes(objects.copiedBytes)}).`,
  secretsInside: "The server's secrets are in it. Keep its passphrase elsewhere: without it nothing can be read.",
  secretsApart:
    "It is not encrypted, so the server's secrets are not in it: keep a copy of the folder `secrets`, apart from the backups. With BACKUP_KEY_FILE they are encrypted and inside.",
  lost: (count: number) => `CAREFUL: the storage has lost ${count} objects; this backup is without them:`,
  removed: (names: string[]) => `Removed: ${names.join(", ")}`,
  none: (place: string) => `There is no backup at ${place}.`,
  table: (rows: string[][]) => formatTable(["name", "made", "what", "rows", "objects", "size", ""], rows),
  kinds: { backup: "backup", "restore-point": "restore point" },
  encrypted: "encrypted",
  unreadable: "cannot be read",
  begun: (names: string[]) => `Begun, and not whole: ${names.join(", ")}. They go with the next backup.`,
  sound: (name: string, rows: number, objects: number) =>
    `${name} is sound: ${rows} rows were restored into a scratch database, ${objects} objects were read.`,
  unsound: (name: string, count: number) => `${name} is damaged in ${count} places:`,
  point: (name: string) =>
    `Made the restore point ${name}: \`sunduk backup restore ${name} --replace\` goes back to it.`,
  restored: (name: string, objects: number) => `Restored ${name}; ${objects} objects were copied.`,
  sessionsEnded:
    "Everybody has to sign in again, and access tokens have to be made anew: some may have been revoked since.",
  sessionsKept: "Sessions and access tokens are as they were then: one that was revoked since holds again.",
  secretsWritten: (names: string[]) => `Wrote the secrets ${names.join(", ")}.`,
  secretsDiffer: (names: string[]) =>
    `CAREFUL: these settings are not those of the backup: ${names.join(", ")}. Second factors need the former TOKEN_SECRET, webhooks the former NOTIFICATION_SECRET, launchers the former MANIFEST_KEY and YGGDRASIL_KEY.`,
  sweepsWait: "Nothing is swept for a day. Start the server when you are ready.",
  scheduled: (hours: number, place: string, keep: number) => `Every ${hours} hours to ${place}; ${keep} are kept.`,
  unscheduled:
    "Nothing is scheduled. Set BACKUP_EVERY_HOURS, and BACKUP_TO and BACKUP_KEEP as you like, and start the server anew.",
  never: "None was made yet.",
  last: (at: string, name: string) => `The last one: ${name}, ${at}.`,
  failed: (at: string, problem: string) => `The last try, ${at}, failed: ${problem}`,
  late: "It is late: is the server running?",
  migrating: "Copying",
  migrated: (copied: number, there: number, size: string) =>
    `Copied ${copied} objects (${size}); ${there} were there already. Each was compared with its digest.`,
  migrateMissing: (count: number) => `CAREFUL: ${count} objects could not be copied:`,
  switchTo: {
    s3: "To switch: stop the server, run this once more for what came in meanwhile, and start it with S3_ENDPOINT, S3_BUCKET, S3_ACCESS_KEY and S3_SECRET_KEY set. Uploads under way begin anew. The folder `objects` may go when all is well.",
    disk: "To switch: stop the server, run this once more for what came in meanwhile, and start it without S3_ENDPOINT. Uploads under way begin anew. The bucket may go when all is well.",
  },
};

export type BackupMessages = typeof en;

const ru: BackupMessages = {
  database: "Таблицы",
  objects: "Объекты",
  made: ({ name, place, objects, rows }) =>
    `Готово: ${name} в ${place}. Строк: ${rows}, объектов: ${objects.count} (${formatBytes(objects.sizeBytes)}), из них скопировано ${objects.copied} (${formatBytes(objects.copiedBytes)}).`,
  secretsInside: "Секреты сервера внутри. Парольную фразу храните отдельно: без неё ничего не прочесть.",
  secretsApart:
    "Копия не зашифрована, и секретов сервера в ней нет: сохраните папку `secrets` отдельно от копий. С BACKUP_KEY_FILE они будут зашифрованы и внутри.",
  lost: (count) => `ОСТОРОЖНО: хранилище потеряло объекты (${count}), в копии их нет:`,
  removed: (names) => `Удалены: ${names.join(", ")}`,
  none: (place) => `В ${place} копий нет.`,
  table: (rows) => formatTable(["имя", "создана", "что", "строк", "объектов", "размер", ""], rows),
  kinds: { backup: "копия", "restore-point": "точка возврата" },
  encrypted: "зашифрована",
  unreadable: "не читается",
  begun: (names) => `Начаты и не закончены: ${names.join(", ")}. Их уберёт следующая копия.`,
  sound: (name, rows, objects) =>
    `${name} в порядке: в пробную базу восстановлено строк: ${rows}, прочитано объектов: ${objects}.`,
  unsound: (name, count) => `${name} повреждена, мест: ${count}:`,
  point: (name) => `Создана точка возврата ${name}: вернуться к ней: \`sunduk backup restore ${name} --replace\`.`,
  restored: (name, objects) => `Восстановлено из ${name}; скопировано объектов: ${objects}.`,
  sessionsEnded: "Всем придётся войти заново, токены доступа нужно создать снова: какие-то могли быть отозваны позже.",
  sessionsKept: "Сеансы и токены доступа такие же, как тогда: отозванное позже снова действует.",
  secretsWritten: (names) => `Записаны секреты: ${names.join(", ")}.`,
  secretsDiffer: (names) =>
    `ОСТОРОЖНО: эти настройки не те, что в копии: ${names.join(", ")}. Второму фактору нужен прежний TOKEN_SECRET, вебхукам прежний NOTIFICATION_SECRET, лаунчерам прежние MANIFEST_KEY и YGGDRASIL_KEY.`,
  sweepsWait: "Сутки ничего не убирается. Запустите сервер, когда будете готовы.",
  scheduled: (hours, place, keep) => `Каждые ${hours} ч в ${place}; хранится: ${keep}.`,
  unscheduled:
    "Расписания нет. Задайте BACKUP_EVERY_HOURS, при желании BACKUP_TO и BACKUP_KEEP, и перезапустите сервер.",
  never: "Ни одной ещё не было.",
  last: (at, name) => `Последняя: ${name}, ${at}.`,
  failed: (at, problem) => `Последняя попытка, ${at}, не удалась: ${problem}`,
  late: "Копия запаздывает: работает ли сервер?",
  migrating: "Копирование",
  migrated: (copied, there, size) =>
    `Скопировано объектов: ${copied} (${size}); уже было: ${there}. Каждый сверен со своей суммой.`,
  migrateMissing: (count) => `ОСТОРОЖНО: не удалось скопировать объекты (${count}):`,
  switchTo: {
    s3: "Переход: остановите сервер, выполните команду ещё раз для того, что пришло за это время, и запустите его с S3_ENDPOINT, S3_BUCKET, S3_ACCESS_KEY и S3_SECRET_KEY. Незаконченные отправки начнутся заново. Папку `objects` можно удалить, когда всё проверено.",
    disk: "Переход: остановите сервер, выполните команду ещё раз для того, что пришло за это время, и запустите его без S3_ENDPOINT. Незаконченные отправки начнутся заново. Бакет можно удалить, когда всё проверено.",
  },
};

/** What the commands for backups say. */
export const backupMessages = (language: "en" | "ru"): BackupMessages => (language === "ru" ? ru : en);
