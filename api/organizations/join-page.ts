import { Elysia } from "elysia";
import { escapeHtml, htmlPage, type Language, pickLanguage } from "../html-page.ts";

const texts = {
  en: {
    title: "Join an organization",
    lead: "Somebody sent you a link with which you can join. Show with your password who you are: it is asked for once, and nothing stays signed in here.",
    token: "Code from the link (what stands behind the #; you can paste the whole link)",
    login: "Login or confirmed e-mail address",
    password: "Password",
    code: "Code of the second factor, if you have one",
    join: "Join",
    noScript: "This page needs JavaScript, or another program that sends the code, signed in, to",
    joined: "Done: you are a member.",
    link: "The link is wrong, expired, taken back, or used up. Ask for another one.",
    "not-signed-in": "Login or password is wrong.",
    "second-factor": "The code of the second factor is missing or wrong.",
    "quota-exceeded": "The organization is full.",
    "too-many": "Too many tries: wait a minute.",
    failed: "That did not work: try again in a moment.",
  },
  ru: {
    title: "Вступление в организацию",
    lead: "Вам прислали ссылку, по которой можно вступить. Подтвердите паролем, что это вы: он спрашивается один раз, вход на этой странице не сохраняется.",
    token: "Код из ссылки (то, что после #; можно вставить ссылку целиком)",
    login: "Логин или подтверждённый адрес почты",
    password: "Пароль",
    code: "Код второго фактора, если он есть",
    join: "Вступить",
    noScript: "Для этой страницы нужен JavaScript или программа, которая отправит код от вашего имени по адресу",
    joined: "Готово: вы участник.",
    link: "Ссылка неверна, устарела, отозвана или исчерпана. Запросите новую.",
    "not-signed-in": "Неверный логин или пароль.",
    "second-factor": "Код второго фактора не указан или неверен.",
    "quota-exceeded": "В организации нет места.",
    "too-many": "Слишком много попыток: подождите минуту.",
    failed: "Не получилось: попробуйте ещё раз чуть позже.",
  },
} as const satisfies Record<Language, Record<string, string>>;

/** What the form may end with; the page carries each in the reader's language. */
const outcomes = ["joined", "link", "not-signed-in", "second-factor", "quota-exceeded", "too-many", "failed"] as const;

const scriptPath = "/join.js";
const post = "/v1/invitations/accept";

/**
 * Signs in, joins, and ends the session again, so that none stays behind. The token is read from the fragment, which
 * browsers send to nobody, and taken out of the address bar at once.
 */
const script = `"use strict";
const form = document.querySelector("form");
const field = document.querySelector("input[name=token]");
const fragment = location.hash.slice(1);
if (fragment) { field.value = fragment; history.replaceState(null, "", location.pathname); }
const say = (name) => {
  const place = document.querySelector("[data-outcome=" + name + "]") || document.querySelector("[data-outcome=failed]");
  for (const other of document.querySelectorAll("[data-outcome]")) other.hidden = other !== place;
  form.hidden = name === "joined";
};
const send = (method, path, body, token) => fetch(path, {
  method,
  headers: { ...(body && { "content-type": "application/json" }), ...(token && { authorization: "Bearer " + token }) },
  ...(body && { body: JSON.stringify(body) }),
  referrerPolicy: "no-referrer",
});
const told = async (answer) => { const problem = await answer.json(); return problem.reason || problem.code; };
const join = async ({ token, login, password, code }) => {
  const signedIn = await send("POST", "/v1/auth/login", { login, password, ...(code && { code }) });
  if (!signedIn.ok) return told(signedIn);
  const { accessToken } = await signedIn.json();
  const answer = await send("POST", "${post}", { token }, accessToken);
  const outcome = answer.ok ? "joined" : await told(answer);
  await send("DELETE", "/v1/auth/sessions/current", undefined, accessToken);
  return outcome;
};
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const given = {};
  for (const input of form.querySelectorAll("input")) given[input.name] = input.value.trim();
  given.password = form.querySelector("input[name=password]").value;
  given.token = given.token.split("#").pop();
  const button = form.querySelector("button");
  button.disabled = true;
  try { say(await join(given)); } catch { say("failed"); }
  button.disabled = false;
});
`;

/** The page that an invitation's link leads to: plain HTML that works before the web app is there. */
export function joinPage() {
  const hidden = { detail: { hide: true } };
  return new Elysia()
    .get("/join", ({ request }) => page(pickLanguage(request)), hidden)
    .get(
      scriptPath,
      () =>
        new Response(script, {
          headers: { "content-type": "text/javascript; charset=utf-8", "cache-control": "public, max-age=300" },
        }),
      hidden,
    );
}

function page(language: Language): Response {
  const text = texts[language];
  const told = outcomes.map((name) => `<p role="alert" data-outcome="${name}" hidden>${escapeHtml(text[name])}</p>`);
  const field = (label: string, attributes: string) =>
    `<label>${escapeHtml(label)}<input ${attributes} maxlength="300" autocapitalize="none" spellcheck="false"></label>`;
  const body = `${told.join("\n")}
<noscript><p role="alert">${escapeHtml(text.noScript)} <code>POST ${post}</code></p></noscript>
<p>${escapeHtml(text.lead)}</p>
<form>
${field(text.token, 'name="token" required autocomplete="off"')}
${field(text.login, 'name="login" required autocomplete="username"')}
${field(text.password, 'name="password" type="password" required autocomplete="current-password"')}
${field(text.code, 'name="code" inputmode="numeric" autocomplete="one-time-code"')}
<button>${escapeHtml(text.join)}</button>
</form>`;
  return htmlPage({ language, title: text.title, script: scriptPath, body });
}
