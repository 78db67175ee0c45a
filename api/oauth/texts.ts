/** What a scope lets a device do, as an end of "It will be able to …". */
const scopesEn: Record<string, string> = {
  "packs:read": "see your packs, private ones too",
  "packs:write": "create, change and publish packs",
  "files:read": "see your files",
  "files:write": "add, change and delete your files",
  "account:read": "see your profile and sessions",
  "account:write": "change your profile",
  admin: "run this server, as far as you may",
};

const en = {
  title: "Sunduk: let a device in",
  intro: "Type the code that your launcher or program shows, and sign in.",
  userCode: "Code on the device",
  login: "Login or e-mail",
  password: "Password",
  code: "Code of your authenticator app, if you use one",
  next: "Continue",
  visitor: (login: string) => `You are signed in as <b>${login}</b>.`,
  through: "Or sign in first through:",
  question: (login: string) => `Let this device in as <b>${login}</b>? Compare the code:`,
  client: "Program",
  device: "Device",
  address: "Its address",
  asked: "Asked",
  may: "It will be able to",
  nothing: "only know who you are",
  unknown: "not known",
  warning:
    "Approve only if you began this yourself a moment ago. Whoever sent you this code would get into your account.",
  approve: "Approve",
  deny: "Deny",
  approved: "Done: the device signs in by itself in a few seconds. You may close this page.",
  denied: "Denied: the device gets nothing. You may close this page.",
  problems: {
    "not-signed-in": "Login or password is wrong.",
    "second-factor": "Now the code of your authenticator app too, or a recovery code; each works once.",
    "wrong-code": "No device waits under this code: it is wrong, used, or more than ten minutes old.",
    "too-many": "Too many tries: wait a minute.",
    gone: "Too late: the device waits no longer, or the question was opened elsewhere. Type its code again.",
    failed: "That did not work: try again in a moment.",
  },
  scopes: scopesEn,
};

export type DeviceTexts = typeof en;

const ru: DeviceTexts = {
  title: "Сундук: впустить устройство",
  intro: "Введите код, который показывает лаунчер или программа, и войдите.",
  userCode: "Код на устройстве",
  login: "Логин или почта",
  password: "Пароль",
  code: "Код из приложения-аутентификатора, если он у вас включён",
  next: "Дальше",
  visitor: (login) => `Вы вошли как <b>${login}</b>.`,
  through: "Или сначала войдите через:",
  question: (login) => `Впустить это устройство как <b>${login}</b>? Сверьте код:`,
  client: "Программа",
  device: "Устройство",
  address: "Его адрес",
  asked: "Запрос был",
  may: "Оно сможет",
  nothing: "только узнать, кто вы",
  unknown: "неизвестно",
  warning:
    "Разрешайте, только если вы сами начали вход минуту назад. Тот, кто прислал вам этот код, попадёт в вашу учётную запись.",
  approve: "Разрешить",
  deny: "Отказать",
  approved: "Готово: устройство войдёт само через несколько секунд. Страницу можно закрыть.",
  denied: "Отказано: устройство ничего не получит. Страницу можно закрыть.",
  problems: {
    "not-signed-in": "Неверный логин или пароль.",
    "second-factor": "Теперь ещё код из приложения-аутентификатора или резервный код; каждый действует один раз.",
    "wrong-code": "Под этим кодом никто не ждёт: он неверен, использован или старше десяти минут.",
    "too-many": "Слишком много попыток: подождите минуту.",
    gone: "Поздно: устройство больше не ждёт, или вопрос открыли в другом месте. Введите код ещё раз.",
    failed: "Не получилось: попробуйте ещё раз чуть позже.",
  },
  scopes: {
    "packs:read": "видеть ваши сборки, в том числе закрытые",
    "packs:write": "создавать, менять и публиковать сборки",
    "files:read": "видеть ваши файлы",
    "files:write": "добавлять, менять и удалять ваши файлы",
    "account:read": "видеть ваш профиль и сеансы",
    "account:write": "менять ваш профиль",
    admin: "управлять этим сервером, насколько можете вы",
  },
};

/** Everything that the page /device says, in both languages. */
export const deviceTexts: Record<"en" | "ru", DeviceTexts> = { en, ru };
