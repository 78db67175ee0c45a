import { Elysia } from "elysia";
import { escapeHtml, htmlPage, type Language, pickLanguage } from "../html-page.ts";

const texts = {
  en: {
    verifyTitle: "Confirm your address",
    verifyLead: "Confirm that the address to which the link was sent is yours.",
    resetTitle: "A new password",
    resetLead: "Set a new password for your account.",
    token: "Code from the link (what stands behind the #; you can paste the whole link)",
    password: "New password, at least 8 characters",
    keep: "Stay signed in on other devices",
    verify: "Confirm",
    reset: "Set the password",
    askLead: "No link, or does it no longer hold? Have one mailed to your confirmed address.",
    name: "Login or e-mail address",
    ask: "Send a link",
    noScript: "This page needs JavaScript, or another program that sends the code to",
    verified: "Done: the address is confirmed. You can sign in with it.",
    changed: "Done: sign in with the new password.",
    asked: "If there is such an account with a confirmed address, a link is on its way to it.",
    link: "The link is wrong, expired, or was used. Ask for another one.",
    "weak-password": "This password is one of the most common ones, or your login or address. Choose another.",
    conflict: "This address belongs to another account.",
    "too-many": "Too many tries: wait a minute.",
    invalid: "That is not complete: a password has 8 to 256 characters.",
    failed: "That did not work: try again in a moment.",
  },
  ru: {
    verifyTitle: "Подтверждение адреса",
    verifyLead: "Подтвердите, что адрес, на который пришла ссылка, ваш.",
    resetTitle: "Новый пароль",
    resetLead: "Задайте новый пароль для своей учётной записи.",
    token: "Код из ссылки (то, что после #; можно вставить ссылку целиком)",
    password: "Новый пароль, не короче 8 символов",
    keep: "Не выходить на других устройствах",
    verify: "Подтвердить",
    reset: "Задать пароль",
    askLead: "Ссылки нет или она больше не действует? Пришлём новую на подтверждённый адрес.",
    name: "Логин или адрес почты",
    ask: "Прислать ссылку",
    noScript: "Для этой страницы нужен JavaScript или программа, которая отправит код по адресу",
    verified: "Готово: адрес подтверждён. С ним можно войти.",
    changed: "Готово: войдите с новым паролем.",
    asked: "Если такая учётная запись есть и её адрес подтверждён, ссылка уже в пути.",
    link: "Ссылка неверна, устарела или уже использована. Запросите новую.",
    "weak-password": "Это один из самых частых паролей, либо ваш логин или адрес. Выберите другой.",
    conflict: "Этот адрес принадлежит другой учётной записи.",
    "too-many": "Слишком много попыток: подождите минуту.",
    invalid: "Заполнено не всё: в пароле от 8 до 256 символов.",
    failed: "Не получилось: попробуйте ещё раз чуть позже.",
  },
} as const satisfies Record<Language, Record<string, string>>;

/** What a form may end with; the page carries each in the reader's language. */
const outcomes = [
  "verified",
  "changed",
  "asked",
  "link",
  "weak-password",
  "conflict",
  "too-many",
  "invalid",
  "failed",
] as const;

/** Where the script of pages with a token behind the # is: it posts forms with `data-post`, and shows how that ended. */
export const scriptPath = "/account-links.js";

/**
 * Sends the forms of these pages as JSON. The token is read from the fragment, which browsers send to nobody, and taken
 * out of the address bar and the history at once; nothing is sent before somebody presses the button.
 */
const script = `"use strict";
const field = document.querySelector("input[name=token]");
const fragment = location.hash.slice(1);
if (fragment && field) { field.value = fragment; history.replaceState(null, "", location.pathname); }
const say = (form, name) => {
  const place = document.querySelector("[data-outcome=" + name + "]") || document.querySelector("[data-outcome=failed]");
  for (const other of document.querySelectorAll("[data-outcome]")) other.hidden = other !== place;
  if (name === form.dataset.done) form.hidden = true;
};
for (const form of document.querySelectorAll("form[data-post]")) form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const body = {};
  for (const input of form.querySelectorAll("input")) {
    if (input.type === "checkbox") body[input.name] = !input.checked;
    else body[input.name] = input.name === "token" ? input.value.trim().split("#").pop() : input.value;
  }
  const button = form.querySelector("button");
  button.disabled = true;
  try {
    const answer = await fetch(form.dataset.post, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body), referrerPolicy: "no-referrer" });
    const problem = answer.ok ? {} : await answer.json();
    say(form, answer.ok ? form.dataset.done : problem.reason || problem.code || "failed");
  } catch { say(form, "failed"); }
  button.disabled = false;
});
`;

/** The pages that links in mails lead to: plain HTML that works before the web app is there. */
export function linkPages() {
  const hidden = { detail: { hide: true } };
  return new Elysia()
    .get("/verify", ({ request }) => verifyPage(pickLanguage(request)), hidden)
    .get("/reset", ({ request }) => resetPage(pickLanguage(request)), hidden)
    .get(
      scriptPath,
      () =>
        new Response(script, {
          headers: { "content-type": "text/javascript; charset=utf-8", "cache-control": "public, max-age=300" },
        }),
      hidden,
    );
}

type Form = { post: string; done: string; fields: string; button: string };

const form = ({ post, done, fields, button }: Form) => `<form data-post="${post}" data-done="${done}">
${fields}<button>${escapeHtml(button)}</button>
</form>`;

const tokenField = (label: string) =>
  `<label>${escapeHtml(label)}<input name="token" required maxlength="300" autocomplete="off" spellcheck="false"></label>\n`;

function verifyPage(language: Language): Response {
  const text = texts[language];
  const post = "/v1/auth/email/verify";
  const fields = tokenField(text.token);
  return page({
    language,
    title: text.verifyTitle,
    post,
    body: `<p>${text.verifyLead}</p>\n${form({ post, done: "verified", fields, button: text.verify })}`,
  });
}

function resetPage(language: Language): Response {
  const text = texts[language];
  const post = "/v1/auth/password/reset";
  const fields = `${tokenField(text.token)}<label>${text.password}<input name="password" type="password" autocomplete="new-password" required minlength="8" maxlength="256"></label>
<label><input name="endSessions" type="checkbox"> ${text.keep}</label>
`;
  const ask = {
    post: "/v1/auth/password/forgot",
    done: "asked",
    fields: `<label>${text.name}<input name="login" autocomplete="username" required maxlength="254"></label>\n`,
    button: text.ask,
  };
  return page({
    language,
    title: text.resetTitle,
    post,
    body: `<p>${text.resetLead}</p>\n${form({ post, done: "changed", fields, button: text.reset })}
<hr><p>${text.askLead}</p>\n${form(ask)}`,
  });
}

type Page = { language: Language; title: string; post: string; body: string };

function page({ language, title, post, body }: Page): Response {
  const text = texts[language];
  const told = outcomes.map((name) => `<p role="alert" data-outcome="${name}" hidden>${escapeHtml(text[name])}</p>`);
  const noScript = `<noscript><p role="alert">${escapeHtml(text.noScript)} <code>POST ${post}</code></p></noscript>`;
  return htmlPage({
    language,
    title,
    script: scriptPath,
    body: [...told, noScript, body].join("\n"),
    headers: { "referrer-policy": "no-referrer" },
  });
}
