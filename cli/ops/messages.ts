const en = {
  noneFailed: "No job has failed.",
  logsIncomplete:
    "Not everything was looked at: narrow it down with --from, --to or --service, or ask again in a moment.",
  retried: (jobs: number) => `${jobs === 1 ? "One job is" : `${jobs} jobs are`} done once more.`,
  paused: (actor: string) =>
    `${actor} is paused: what waits stays, what runs goes on. Resume: sunduk jobs resume ${actor}`,
  resumed: (actor: string) => `${actor} goes on.`,
  verifying: "Verifying the storage",
  verified: (blobs: number, size: string, broken: number) =>
    broken === 0
      ? `${blobs} objects, ${size}: all are there, and whatever was read is right.`
      : `${blobs} objects, ${size}; broken: ${broken}. They are served to nobody; whoever works on their packs was told, and publishes the same folder again to mend them.`,
  notNoted: "Not noted in the audit log: no database could be reached.",
  exported: (login: string, rows: number, files: number, path: string) =>
    `Everything that is kept of ${login} is in ${path}: ${rows} rows, ${files} objects named by their digests. Hand it to nobody else.`,
  confirmErase: (login: string, usage: string) =>
    `This ends the account ${login} for good, with its packs, files and images. To do it: sunduk ${usage}`,
  erasing: (login: string) =>
    `${login} is hidden, signed out everywhere, and erased within a minute while workers run; the bytes go with the next sweep.`,
  versions: (program: string, bun: string) => `This is Sunduk ${program}, on Bun ${bun}.`,
  nothingPending: "The database is up to date: no migration is pending.",
  pending: (name: string, kind: "expand" | "contract") =>
    kind === "expand"
      ? `  ${name}: beside the running release`
      : `  ${name}: only when no process of the release before runs any more`,
  edited: (name: string) => `  ${name}: differs from what was applied`,
  newer: (name: string) => `  ${name}: applied by a newer release, unknown to this one`,
  rollingUpgrade: "Start the new processes beside the old ones, one after the other: nothing has to stop.",
  stoppedUpgrade: "Stop the old processes first: a pending migration takes something away that they use.",
  cannotUpgrade: "Not with this program: the database is not one that it can go on with.",
  restorePoint: (needed: string, free: string, enough: boolean) =>
    `A restore point takes at most ${needed}; ${free} free${enough ? "." : ": make room first."}`,
};

export type OpsMessages = typeof en;

const ru: OpsMessages = {
  noneFailed: "Неудавшихся задач нет.",
  logsIncomplete: "Просмотрено не всё: сузьте поиск (--from, --to, --service) или повторите чуть позже.",
  retried: (jobs) => `Задач отправлено ещё раз: ${jobs}.`,
  paused: (actor) =>
    `${actor} приостановлен: что ждёт, подождёт, что начато, закончится. Дальше: sunduk jobs resume ${actor}`,
  resumed: (actor) => `${actor} продолжает.`,
  verifying: "Проверка хранилища",
  verified: (blobs, size, broken) =>
    broken === 0
      ? `Объектов: ${blobs}, ${size}. Все на месте, прочитанное верно.`
      : `Объектов: ${blobs}, ${size}; повреждено: ${broken}. Их никому не отдают; кто работает над сборками, извещён: чтобы исправить, пусть опубликует ту же папку снова.`,
  notNoted: "В журнал аудита не записано: база данных недоступна.",
  exported: (login, rows, files, path) =>
    `Всё, что хранится о ${login}, записано в ${path}: строк ${rows}, объектов (по суммам) ${files}. Больше никому это не давайте.`,
  confirmErase: (login, usage) =>
    `Учётная запись ${login} исчезнет навсегда, вместе с её сборками, файлами и изображениями. Чтобы сделать это: sunduk ${usage}`,
  erasing: (login) =>
    `${login} скрыт, выведен отовсюду и будет стёрт в течение минуты, пока есть рабочие процессы; байты уйдут при следующей уборке.`,
  versions: (program, bun) => `Это Сундук ${program}, Bun ${bun}.`,
  nothingPending: "База новейшая: миграций не осталось.",
  pending: (name, kind) =>
    kind === "expand"
      ? `  ${name}: можно рядом с работающей версией`
      : `  ${name}: только когда прежняя версия остановлена`,
  edited: (name) => `  ${name}: отличается от применённой`,
  newer: (name) => `  ${name}: применена более новой версией, здесь не известна`,
  rollingUpgrade: "Запускайте новые процессы рядом со старыми, по одному: останавливать ничего не нужно.",
  stoppedUpgrade: "Сначала остановите старые процессы: миграция убирает то, чем они пользуются.",
  cannotUpgrade: "С этой программой нельзя: база не такая, с какой она может продолжить.",
  restorePoint: (needed, free, enough) =>
    `Точке возврата нужно не больше ${needed}; свободно ${free}${enough ? "." : ": освободите место."}`,
};

/** What the operators' commands say, in one language. */
export function opsMessages(language: "en" | "ru"): OpsMessages {
  return language === "ru" ? ru : en;
}
