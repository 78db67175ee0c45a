import { escapeHtml, htmlPage, type Language, pickLanguage } from "../html-page.ts";

const texts = {
  en: {
    ask: "Unsubscribe",
    lead: "No more mails like the one that this link came with?",
    all: "No more mails with notifications, but for cancellations of what you are registered for?",
    button: "Unsubscribe",
    done: "Done: no more of these mails are sent.",
    wrong: "This link is not one of ours. Your settings of notifications have the same switch.",
  },
  ru: {
    ask: "Отписаться",
    lead: "Больше не присылать таких писем, как то, из которого вы пришли?",
    all: "Больше не присылать писем с уведомлениями, кроме отмены того, на что вы записаны?",
    button: "Отписаться",
    done: "Готово: такие письма больше не придут.",
    wrong: "Это не наша ссылка. То же самое можно выключить в настройках уведомлений.",
  },
} as const satisfies Record<Language, Record<string, string>>;

/** Asks whether to unsubscribe: a link that is only looked at, by a person or a scanner, changes nothing (RFC 8058, 3.1). */
export function askPage(request: Request, { all }: { all: boolean }): Response {
  const language = pickLanguage(request);
  const words = texts[language];
  const { pathname } = new URL(request.url);
  const body = `<p>${words[all ? "all" : "lead"]}</p>
<form method="post" action="${escapeHtml(pathname)}"><input type="hidden" name="List-Unsubscribe" value="One-Click"><button>${words.button}</button></form>`;
  return htmlPage({ language, title: words.ask, body, headers: { "referrer-policy": "no-referrer" } });
}

export function donePage(request: Request): Response {
  const language = pickLanguage(request);
  return htmlPage({ language, title: texts[language].ask, body: `<p>${texts[language].done}</p>` });
}

export function wrongPage(request: Request): Response {
  const language = pickLanguage(request);
  return htmlPage({
    language,
    title: texts[language].ask,
    body: `<p role="alert">${texts[language].wrong}</p>`,
    status: 404,
  });
}
