import { Elysia } from "elysia";
import { scriptPath } from "../accounts/link-pages.ts";
import { escapeHtml, htmlPage, type Language, pickLanguage } from "../html-page.ts";

const texts = {
  en: {
    title: "Your seat",
    lead: "A seat is held for you. Take it before its time is over, or it goes to the next.",
    token: "Code from the link (what stands behind the #; you can paste the whole link)",
    take: "Take the seat",
    confirmed: "Done: the seat is yours.",
    gone: "This link holds no more: the seat was not taken in time, or was given up.",
    failed: "That did not work: try again in a moment.",
    noScript: "This page needs JavaScript, or another program that sends the code to",
  },
  ru: {
    title: "Ваше место",
    lead: "За вами держат место. Займите его вовремя, иначе оно достанется следующему.",
    token: "Код из ссылки (то, что после #; можно вставить ссылку целиком)",
    take: "Занять место",
    confirmed: "Готово: место ваше.",
    gone: "Ссылка больше не действует: место не заняли вовремя или от него отказались.",
    failed: "Не получилось: попробуйте ещё раз чуть позже.",
    noScript: "Для этой страницы нужен JavaScript или программа, которая отправит код по адресу",
  },
} as const satisfies Record<Language, Record<string, string>>;

const post = "/v1/registrations/confirm";

/** The page that a mailed offer of a seat leads to. Nothing is taken before the button is pressed: mail scanners follow links. */
export function confirmPage() {
  return new Elysia().get(
    "/confirm",
    ({ request }) => {
      const language = pickLanguage(request);
      const text = texts[language];
      const told = (["confirmed", "gone", "failed"] as const).map(
        (name) => `<p role="alert" data-outcome="${name}" hidden>${escapeHtml(text[name])}</p>`,
      );
      const body = `${told.join("\n")}
<noscript><p role="alert">${escapeHtml(text.noScript)} <code>POST ${post}</code></p></noscript>
<p>${escapeHtml(text.lead)}</p>
<form data-post="${post}" data-done="confirmed">
<label>${escapeHtml(text.token)}<input name="token" required maxlength="300" autocomplete="off" spellcheck="false"></label>
<button>${escapeHtml(text.take)}</button>
</form>`;
      return htmlPage({
        language,
        title: text.title,
        script: scriptPath,
        body,
        headers: { "referrer-policy": "no-referrer" },
      });
    },
    { detail: { hide: true } },
  );
}
