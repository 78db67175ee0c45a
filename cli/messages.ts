/** A count with its noun, in English. */
function count(amount: number, one: string, many: string): string {
  return `${amount} ${amount === 1 ? one : many}`;
}

const russianPlural = new Intl.PluralRules("ru");

/** A count with its noun, in Russian: the forms for 1, for 2 and for 5. */
function countRu(amount: number, [one, few, many]: readonly [string, string, string]): string {
  const rule = russianPlural.select(amount);
  return `${amount} ${rule === "one" ? one : rule === "few" ? few : many}`;
}

type DemoSums = { uploaded: string; first: string; update: string; kept: string[] };
type KeyTimes = { kid: string; signsFrom: string; formerUntil: string | undefined };
type ImportSums = { imported: number; refused: number; dryRun: boolean };
type DemoPlaces = { address: string; docs: string; folder: string };

const summaries: Record<string, string | undefined> = {};

const en = {
  usage: "Usage",
  commands: "Commands",
  everyCommand: "Every command takes --json (one object on stdout), --server URL and --help.",
  unknownCommand: (words: string) => `Unknown command "${words}": see sunduk help`,
  interrupted: "interrupted; running it again goes on from here",
  summaries,
  startingDatabase: "Starting the database ...",
  ready: (url: string) => `Sunduk is ready at ${url}`,
  firstAdmin: (data: string) =>
    `Nobody is an admin yet. Make the first one, in another terminal: ./sunduk admin create --login NAME${data}`,
  stillServing: (url: string) => `Still serving at ${url}. Ctrl-C stops it.`,
  stopping: "Stopping ...",
  testing: (part: string) => `\nTests on the ${part} parts`,
  unsteady: (path: string) => `Unsteady: ${path} failed beside others and passed by itself.`,
  clusterSkipped: (programs: string) =>
    `Skipped the cluster parts: these programs are not installed: ${programs}. On Debian: apt install redis-server nginx radosgw ceph-mon ceph-osd`,
  demoAuthor: (login: string) => `The demo signs up as ${login} and publishes an example pack.`,
  demoEdited: (paths: string[]) => `The player edits ${paths.join(", ")}.`,
  demoDone: ({ uploaded, first, update, kept }: DemoSums) =>
    `Uploaded ${uploaded} for two versions; fetched ${first} to install and ${update} to update; kept ${kept.join(", ")}.`,
  demoMatched: (files: number) => `Everything matched: ${count(files, "file", "files")} compared with the manifest.`,
  demoWrong: (paths: string[]) => `Not as it should be: ${paths.join(", ")}`,
  demoLook: ({ address, docs, folder }: DemoPlaces) =>
    `Look at the pack: ${address}\nLook at the API: ${docs}\nLook at the player's folder: ${folder}`,
  demoFailed: (reason: string) => `The demo failed: ${reason}`,
  resetLink: (login: string, hours: number) =>
    `Whoever opens this link sets a new password for ${login}. It works once, for ${count(hours, "hour", "hours")}. Hand it to nobody else:`,
  verifyLink: (login: string, hours: number) =>
    `Whoever opens this link confirms the address of ${login}. It works once, for ${count(hours, "hour", "hours")}:`,
  factorRemoved: (login: string) =>
    `${login} signs in with the password alone from now on, until a second factor is set up anew.`,
  imagesWanted: "The pods begin within a minute, after whatever is uploaded meanwhile.",
  inviteMade: (days: number) =>
    `This code is good for one account within ${count(days, "day", "days")}; it is not shown again:`,
  inviteUnneeded: (policy: string) => `(Nobody asks for it: REGISTRATION is "${policy}", not "invite".)`,
  passwordFor: (login: string) => `Password of ${login}: `,
  passwordAgain: "The same once more: ",
  adminMade: (login: string) => `${login} is an admin now. Sign in with: sunduk login URL --login ${login}`,
  adminPromoted: (login: string) => `${login} had an account already, and is an admin now.`,
  passwordKept: "The password stays as it was; --password-stdin changes it.",
  passwordChanged: "The password is the new one.",
  passwordMade: (password: string) => `Password, shown this once: ${password}`,
  keyMade: ({ kid, signsFrom, formerUntil }: KeyTimes) =>
    `The new key ${kid} signs from ${signsFrom}. ${formerUntil ? `The former is accepted until ${formerUntil}.` : "No former one is accepted any more."} No restart is needed.`,
  usersImported: ({ imported, refused, dryRun }: ImportSums) =>
    `${dryRun ? "Would import" : "Imported"} ${count(imported, "account", "accounts")}; left out ${refused}.`,
  userRefused: (line: number, reason: string) => `  line ${line}: ${reason}`,
  signedIn: (login: string, server: string) => `Signed in to ${server} as ${login}.`,
  openAndType: (address: string, code: string) =>
    `Open ${address} in a browser, on any device, and type this code: ${code}`,
  waitingForYou: (minutes: number) =>
    `Waiting for you, ${count(minutes, "minute", "minutes")} at the most. Ctrl-C gives up.`,
  plainHttp: (server: string) => `Careful: ${server} is not https, so the password and tokens can be read on the way.`,
  reading: (path: string) => `Reading ${path}`,
  packRead: (name: string, version: string, files: number, references: number) =>
    `${name} ${version}: ${count(files, "file", "files")}, ${count(references, "reference", "references")}.`,
  hashing: "Hashing",
  uploading: "Uploading",
  mirroring: "Mirroring",
  publishing: "Publishing",
  verifying: "Verifying on the server",
  newPack: (slug: string, visibility: string) => `Pack ${slug} is new: it becomes ${visibility}.`,
  firstVersion: "No earlier version in this channel: everything is new.",
  changes: (added: number, changed: number, removed: number, since: string) =>
    added + changed + removed === 0
      ? `No file differs from ${since}.`
      : `Since ${since}: ${added} added, ${changed} changed, ${removed} removed.`,
  andMore: (more: number) => `  … and ${more} more`,
  toUpload: (files: number, size: string) => `To upload: ${count(files, "file", "files")}, ${size}.`,
  nothingToUpload: "Nothing to upload: the server has every file.",
  wouldUpload: (files: number, size: string) =>
    `Dry run: would upload ${count(files, "file", "files")}, ${size}; nothing was created.`,
  alreadyPublished: (slug: string, version: string) => `${slug} ${version} is already published with these files.`,
  published: (slug: string, version: string, address: string) => `Published ${slug} ${version}: ${address}`,
  publishesAt: (slug: string, version: string, time: string) =>
    `${slug} ${version} is complete and will be published by itself at ${time}.`,
  downloaded: (path: string, size: string) => `Downloaded ${path}, ${size}.`,
  packing: "Packing",
  installWith: (line: string) => `Install it with: ${line}`,
  noPacks: "No packs.",
  noVersions: "No versions yet.",
  yanked: (slug: string, version: string) =>
    `${slug} ${version} is yanked: gone from latest, still there for those pinned to it.`,
  bytesToFetch: (size: string) => `${size} to fetch.`,
  same: "The two versions hold the same files.",
};

/** Everything that the commands say to people, in one language. */
export type Messages = typeof en;

const filesRu = ["файл", "файла", "файлов"] as const;
const minutesRu = ["минуты", "минут", "минут"] as const;
const linksRu = ["ссылка", "ссылки", "ссылок"] as const;

const daysRu = ["день", "дня", "дней"] as const;

const ru: Messages = {
  usage: "Использование",
  commands: "Команды",
  everyCommand: "Каждая команда понимает --json (один объект в stdout), --server URL и --help.",
  unknownCommand: (words) => `Неизвестная команда «${words}»: см. sunduk help`,
  interrupted: "прервано; повторный запуск продолжит с этого места",
  startingDatabase: "Запускаю базу данных ...",
  ready: (url) => `Сундук готов: ${url}`,
  firstAdmin: (data) =>
    `Администратора ещё нет. Создайте первого в другом терминале: ./sunduk admin create --login ИМЯ${data}`,
  stillServing: (url) => `Сервер работает: ${url}. Остановить: Ctrl-C.`,
  stopping: "Останавливаюсь ...",
  testing: (part) => `\nТесты на частях: ${part}`,
  unsteady: (path) => `Шатко: ${path} не прошёл рядом с другими, но прошёл сам по себе.`,
  clusterSkipped: (programs) =>
    `Части кластера пропущены: не установлены программы: ${programs}. В Debian: apt install redis-server nginx radosgw ceph-mon ceph-osd`,
  summaries: {
    login: "Войти на сервер и сохранить ключи",
    up: "Запустить всё на этой машине",
    demo: "Показать главное: опубликовать, установить, обновить",
    test: "Прогнать все тесты",
    doctor: "Проверить машину и настройки, исправить безопасное (--fix)",
    "keys rotate": "Новый ключ подписи; прежний действует, пока живы его токены (--drop: уже нет)",
    "user import": "Добавить учётные записи другого сервиса с их хешами паролей",
    "user export": "Записать в файл JSON всё, что хранится о человеке",
    "user erase": "Стереть учётную запись со всем, что ей принадлежит, навсегда",
    logs: "Журнал всех процессов; всё об одном запросе: --trace",
    "jobs failed": "Список неудавшихся задач",
    "jobs retry": "Сделать неудавшуюся задачу ещё раз, или все",
    "jobs pause": "Приостановить исполнителя: новое не начинается",
    "jobs resume": "Продолжить",
    "upgrade check": "Что изменит запуск этой версии, и можно ли не останавливать прежнюю",
    "admin create": "Создать администратора",
    "admin link": "Ссылка, по которой задают новый пароль или подтверждают адрес",
    "admin invite": "Приглашение: код для одной учётной записи",
    "admin remove-factor": "Снять второй фактор с того, кто потерял приложение и коды восстановления",
    "images render": "Сделать недостающие варианты изображений (--missing) или все заново (--all)",
    "backup create": "Сделать резервную копию базы и объектов, не останавливая сервер",
    "backup list": "Список копий и точек возврата",
    "backup verify": "Восстановить копию в пробную базу и прочесть все её объекты",
    "backup restore": "Восстановить копию; сервер остановлен",
    "backup schedule": "Когда делаются копии и как прошла последняя",
    "storage migrate": "Перенести объекты с диска в S3 или обратно",
    "pack publish": "Опубликовать сборку: папку packwiz, .mrpack или папку с sunduk.toml",
    "pack install": "Установить или обновить сборку в папке",
    "pack verify": "Проверить установленную сборку",
    "pack list": "Список сборок",
    "pack show": "Показать сборку и её версии",
    "pack download": "Скачать версию одним архивом, целиком или для сервера (--side server)",
    "pack diff": "Чем отличаются две версии",
    "pack yank": "Убрать версию из latest",
    "pack link create": "Ссылка, по которой сборку ставит и обновляет любой, у кого она есть",
    "pack link list": "Ссылки на сборку: для кого, когда последний раз, сколько раз",
    "pack link revoke": "Отозвать ссылку",
  },
  demoAuthor: (login) => `Демонстрация: автор ${login} публикует пример сборки.`,
  demoEdited: (paths) => `Игрок правит: ${paths.join(", ")}.`,
  demoDone: ({ uploaded, first, update, kept }) =>
    `Отправлено ${uploaded} на две версии; скачано ${first} для установки и ${update} для обновления; оставлено: ${kept.join(", ")}.`,
  demoMatched: (files) => `Всё сошлось: ${countRu(files, filesRu)} сверено с манифестом.`,
  demoWrong: (paths) => `Не так, как должно быть: ${paths.join(", ")}`,
  demoLook: ({ address, docs, folder }) => `Сборка: ${address}\nAPI: ${docs}\nПапка игрока: ${folder}`,
  demoFailed: (reason) => `Демонстрация не удалась: ${reason}`,
  resetLink: (login, hours) =>
    `Кто откроет эту ссылку, задаст новый пароль для ${login}. Она сработает один раз, в течение ${hours} ч. Больше никому её не давайте:`,
  verifyLink: (login, hours) =>
    `Кто откроет эту ссылку, подтвердит адрес ${login}. Она сработает один раз, в течение ${hours} ч:`,
  factorRemoved: (login) => `${login} теперь входит только по паролю, пока не включит второй фактор заново.`,
  imagesWanted: "Рабочие процессы начнут в течение минуты, после того, что загружают сейчас.",
  inviteMade: (days) => `Код годится для одной учётной записи, ${countRu(days, daysRu)}; больше его не покажем:`,
  inviteUnneeded: (policy) => `(Его никто не спросит: REGISTRATION=${policy}, а не invite.)`,
  passwordFor: (login) => `Пароль для ${login}: `,
  passwordAgain: "И ещё раз: ",
  adminMade: (login) => `Администратор ${login} создан. Вход: sunduk login URL --login ${login}`,
  adminPromoted: (login) => `Учётная запись ${login} уже была, теперь это администратор.`,
  passwordKept: "Пароль прежний; сменить его можно с --password-stdin.",
  passwordChanged: "Пароль сменён.",
  passwordMade: (password) => `Пароль (больше не покажем): ${password}`,
  keyMade: ({ kid, signsFrom, formerUntil }) =>
    `Новый ключ ${kid} подписывает с ${signsFrom}. ${formerUntil ? `Прежний действует до ${formerUntil}.` : "Прежние больше не действуют."} Перезапуск не нужен.`,
  usersImported: ({ imported, refused, dryRun }) =>
    `${dryRun ? "Будет добавлено" : "Добавлено"} учётных записей: ${imported}; пропущено: ${refused}.`,
  userRefused: (line, reason) => `  строка ${line}: ${reason}`,
  signedIn: (login, server) => `Вход на ${server} выполнен: ${login}.`,
  openAndType: (address, code) => `Откройте ${address} в браузере, на любом устройстве, и введите код: ${code}`,
  waitingForYou: (minutes) => `Жду вас, не дольше ${countRu(minutes, minutesRu)}. Ctrl-C: отменить.`,
  plainHttp: (server) => `Осторожно: ${server} без https, пароль и ключи могут прочесть по пути.`,
  reading: (path) => `Чтение ${path}`,
  packRead: (name, version, files, references) =>
    `${name} ${version}: ${countRu(files, filesRu)}, ${countRu(references, linksRu)}.`,
  hashing: "Подсчёт сумм",
  uploading: "Отправка",
  mirroring: "Зеркалирование",
  publishing: "Публикация",
  verifying: "Проверка на сервере",
  newPack: (slug, visibility) => `Сборка ${slug} новая, видимость: ${visibility}.`,
  firstVersion: "Раньше версий в этом канале не было: всё новое.",
  changes: (added, changed, removed, since) =>
    added + changed + removed === 0
      ? `Файлы те же, что в ${since}.`
      : `После ${since}: добавлено ${added}, изменено ${changed}, убрано ${removed}.`,
  andMore: (more) => `  … и ещё ${more}`,
  toUpload: (files, size) => `К отправке: ${countRu(files, filesRu)}, ${size}.`,
  nothingToUpload: "Отправлять нечего: все файлы уже на сервере.",
  wouldUpload: (files, size) => `Пробный запуск: ушло бы ${countRu(files, filesRu)}, ${size}; ничего не создано.`,
  alreadyPublished: (slug, version) => `${slug} ${version} уже опубликована с этими файлами.`,
  published: (slug, version, address) => `Опубликовано ${slug} ${version}: ${address}`,
  publishesAt: (slug, version, time) => `${slug} ${version} готова и будет опубликована сама: ${time}.`,
  downloaded: (path, size) => `Скачано: ${path}, ${size}.`,
  packing: "Упаковка",
  installWith: (line) => `Установить: ${line}`,
  noPacks: "Сборок нет.",
  noVersions: "Версий пока нет.",
  yanked: (slug, version) => `${slug} ${version} отозвана: её нет в latest, но закреплённые за ней её получат.`,
  bytesToFetch: (size) => `Скачать придётся ${size}.`,
  same: "В обеих версиях одни и те же файлы.",
};

/** The language of the reader, from LC_ALL, LC_MESSAGES or LANG: Russian for `ru…`, else English. */
export function readerLanguage(env: Record<string, string | undefined>): "en" | "ru" {
  const locale = env.LC_ALL || env.LC_MESSAGES || env.LANG || "";
  return locale.toLowerCase().startsWith("ru") ? "ru" : "en";
}

/** The messages of one language. */
export function messagesOf(language: "en" | "ru"): Messages {
  return language === "ru" ? ru : en;
}
