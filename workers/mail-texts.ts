/** A mail in words. */
export type Letter = { subject: string; text: string };

/** What a text may name. `link` is where the reader goes on, `site` the address of this server. */
export type Words = {
  site: string;
  login: string;
  email: string;
  link: string /** A day. */;
  until: string /** Tables of numbers. */;
  report: string;
};

/** What is said in a mail, whatever made it necessary. */
export type LetterKind =
  | "verify"
  | "address-taken"
  | "reset"
  | "password-changed"
  | "email-changed"
  | "sign-in-changed"
  | "account-deleted"
  | "reports";

type Texts = Record<LetterKind, (words: Words) => Letter>;

const en: Texts = {
  verify: ({ site, login, email, link }) => ({
    subject: `Confirm your address for ${hostOf(site)}`,
    text: `Hello ${login},

somebody, you we hope, gave the address ${email} at ${site}. Confirm that it is yours:

${link}

The link holds for two days and works once. If it was not you, do nothing: the address is not used for anything.`,
  }),
  "address-taken": ({ site, login, email, link }) => ({
    subject: `Somebody tried to use your address at ${hostOf(site)}`,
    text: `Hello ${login},

somebody gave the address ${email} for another account at ${site}. It is yours already, so nothing was changed.

If that was you: your login is ${login}. When the password is forgotten, set a new one at ${link}.
If it was not you, there is nothing to do.`,
  }),
  reset: ({ site, login, link }) => ({
    subject: `A new password for ${hostOf(site)}`,
    text: `Hello ${login},

somebody, you we hope, has forgotten the password of your account at ${site}. Set a new one:

${link}

The link holds for one hour and works once. If it was not you, do nothing: the password stays as it is.`,
  }),
  "password-changed": ({ site, login, link }) => ({
    subject: `Your password for ${hostOf(site)} was changed`,
    text: `Hello ${login},

the password of your account at ${site} was changed just now.

If it was not you, set a new one at once: ${link}`,
  }),
  "email-changed": ({ site, login, email }) => ({
    subject: `Your address for ${hostOf(site)} was changed`,
    text: `Hello ${login},

your account at ${site} has another e-mail address now, and ${email} no longer belongs to it.

If it was not you, write to the operator of ${site} at once.`,
  }),
  "sign-in-changed": ({ site, login, link }) => ({
    subject: `Signing in to ${hostOf(site)} was changed`,
    text: `Hello ${login},

how you sign in to your account at ${site} was changed just now: a second factor was set up or removed, or another service was linked or unlinked. The history of your account says which.

If it was not you, set a new password at once, which ends all sessions: ${link}`,
  }),
  "account-deleted": ({ site, login, until }) => ({
    subject: `Your account at ${hostOf(site)} was deleted`,
    text: `Hello ${login},

your account at ${site} was deleted just now. It is shown to nobody any more, with all that is yours, and will be erased after ${until}.

Until then it can be had back with its password. If it was not you, write to the operator of ${site} at once.`,
  }),
  reports: ({ site, login, until, report }) => ({
    subject: `Your numbers at ${hostOf(site)} until ${until}`,
    text: `Hello ${login},

these are the numbers that you asked for, until ${until}.

${report}

You choose what comes, and whether, under /v1/me/analytics/reports.`,
  }),
};

const ru: Texts = {
  verify: ({ site, login, email, link }) => ({
    subject: `Подтвердите адрес для ${hostOf(site)}`,
    text: `Здравствуйте, ${login}!

Кто-то (надеемся, вы) указал адрес ${email} на ${site}. Подтвердите, что он ваш:

${link}

Ссылка действует двое суток и срабатывает один раз. Если это были не вы, ничего не делайте: адрес нигде не используется.`,
  }),
  "address-taken": ({ site, login, email, link }) => ({
    subject: `Кто-то пытался указать ваш адрес на ${hostOf(site)}`,
    text: `Здравствуйте, ${login}!

Кто-то указал адрес ${email} для другой учётной записи на ${site}. Он уже ваш, поэтому ничего не изменилось.

Если это были вы: ваш логин ${login}. Если пароль забыт, задайте новый: ${link}
Если это были не вы, делать ничего не нужно.`,
  }),
  reset: ({ site, login, link }) => ({
    subject: `Новый пароль для ${hostOf(site)}`,
    text: `Здравствуйте, ${login}!

Кто-то (надеемся, вы) забыл пароль вашей учётной записи на ${site}. Задайте новый:

${link}

Ссылка действует один час и срабатывает один раз. Если это были не вы, ничего не делайте: пароль останется прежним.`,
  }),
  "password-changed": ({ site, login, link }) => ({
    subject: `Пароль для ${hostOf(site)} сменён`,
    text: `Здравствуйте, ${login}!

Пароль вашей учётной записи на ${site} только что сменили.

Если это были не вы, сразу задайте новый: ${link}`,
  }),
  "email-changed": ({ site, login, email }) => ({
    subject: `Адрес для ${hostOf(site)} сменён`,
    text: `Здравствуйте, ${login}!

У вашей учётной записи на ${site} теперь другой адрес почты, ${email} к ней больше не относится.

Если это были не вы, сразу напишите администратору ${site}.`,
  }),
  "sign-in-changed": ({ site, login, link }) => ({
    subject: `Вход на ${hostOf(site)} изменён`,
    text: `Здравствуйте, ${login}!

Способ входа в вашу учётную запись на ${site} только что изменили: включили или сняли второй фактор, привязали или отвязали другой сервис. Что именно, видно в истории учётной записи.

Если это были не вы, сразу задайте новый пароль, это завершит все сеансы: ${link}`,
  }),
  "account-deleted": ({ site, login, until }) => ({
    subject: `Учётная запись на ${hostOf(site)} удалена`,
    text: `Здравствуйте, ${login}!

Вашу учётную запись на ${site} только что удалили. Она и всё ваше больше никому не видны и будут стёрты после ${until}.

До тех пор её можно вернуть по паролю. Если это были не вы, сразу напишите администратору ${site}.`,
  }),
  reports: ({ site, login, until, report }) => ({
    subject: `Ваши числа на ${hostOf(site)} до ${until}`,
    text: `Здравствуйте, ${login}!

Это числа, о которых вы просили, до ${until}.

${report}

Что и приходит ли, вы выбираете в /v1/me/analytics/reports.`,
  }),
};

/** A mail in the reader's language: Russian, or English for whoever reads another. */
export function writeLetter(kind: LetterKind, { locale, words }: { locale: string; words: Words }): Letter {
  return (locale === "ru" ? ru : en)[kind](words);
}

function hostOf(site: string): string {
  return URL.canParse(site) ? new URL(site).host : site;
}
