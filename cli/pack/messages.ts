const en = {
  linkMade: "Whoever has this link reads, installs and updates the pack. It is not shown again:",
  noLinks: "No links.",
  linkRevoked: (slug: string) => `The link to ${slug} is good for nothing any more.`,
};

type PackMessages = typeof en;

const ru: PackMessages = {
  linkMade: "По этой ссылке сборку читает, ставит и обновляет любой, у кого она есть. Больше она не покажется:",
  noLinks: "Ссылок нет.",
  linkRevoked: (slug) => `Ссылка на ${slug} больше не действует.`,
};

/** What the commands of links say, in one language. */
export function packMessages(language: "en" | "ru"): PackMessages {
  return language === "ru" ? ru : en;
}
