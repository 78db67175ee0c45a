import { Elysia } from "elysia";
import type { Api } from "../api.ts";
import { escapeHtml, htmlPage, type Language, pickLanguage } from "../html-page.ts";

const texts = {
  en: {
    title: "A shared album",
    token: "Code from the link (what stands behind the #; you can paste the whole link)",
    password: "Password of the link",
    open: "Open",
    more: "Show more",
    archive: "Download all",
    noScript: "This page needs JavaScript, or another program that sends the code to",
    password_needed: "This link has a password: whoever gave you the link knows it.",
    password_wrong: "The password is wrong.",
    link: "The link is wrong, expired, or was revoked. Ask whoever gave it to you for another one.",
    "too-many": "Too many tries: wait a minute.",
    nothing: "There is nothing in this album that is shown to you.",
    packing: "The archive is being packed…",
    failed: "That did not work: try again in a moment.",
  },
  ru: {
    title: "Альбом по ссылке",
    token: "Код из ссылки (то, что после #; можно вставить ссылку целиком)",
    password: "Пароль к ссылке",
    open: "Открыть",
    more: "Показать ещё",
    archive: "Скачать всё",
    noScript: "Для этой страницы нужен JavaScript или программа, которая отправит код по адресу",
    password_needed: "Ссылка защищена паролем: его знает тот, кто её дал.",
    password_wrong: "Пароль неверен.",
    link: "Ссылка неверна, устарела или отозвана. Попросите новую у того, кто её дал.",
    "too-many": "Слишком много попыток: подождите минуту.",
    nothing: "В этом альбоме нет ничего, что вам можно показать.",
    packing: "Архив собирается…",
    failed: "Не получилось: попробуйте ещё раз чуть позже.",
  },
} as const satisfies Record<Language, Record<string, string>>;

/** What the page may say; it carries each in the reader's language. */
const outcomes = ["password_needed", "password_wrong", "link", "too-many", "nothing", "packing", "failed"] as const;

const scriptPath = "/share.js";
const openPath = "/v1/shares/open";

/**
 * Opens the link: the token is read from the fragment, which browsers send to nobody, and sent in a body; the grant that
 * comes back is kept by this page alone and sent in a header. Whoever wrote titles and captions writes text, never HTML.
 */
const script = `"use strict";
const place = (name) => document.querySelector("[data-place=" + name + "]");
const form = document.querySelector("form");
const input = (name) => form.querySelector("input[name=" + name + "]");
let grant = "";
let album = null;
let cursor = null;
const say = (name) => {
  const told = document.querySelector("[data-outcome=" + name + "]");
  for (const other of document.querySelectorAll("[data-outcome]")) other.hidden = other !== told;
};
const ask = async (method, path, body) => {
  const headers = { accept: "application/json" };
  if (grant) headers.share = grant;
  if (body) headers["content-type"] = "application/json";
  const answer = await fetch(path, { method, headers, body: body && JSON.stringify(body), referrerPolicy: "no-referrer" });
  const data = await answer.json();
  if (!answer.ok) throw data;
  return data;
};
const tried = (work) => async (event) => {
  if (event) event.preventDefault();
  try { await work(); } catch (problem) {
    if (problem.passwordNeeded) {
      say(input("password").value ? "password_wrong" : "password_needed");
      place("password").hidden = false;
    } else say(problem.code === "not-found" || problem.code === "not-signed-in" ? "link" : problem.code === "too-many" ? "too-many" : "failed");
    if (!grant) form.hidden = false;
  }
};
const show = (images) => {
  for (const image of images) {
    if (!image.variants.thumb) continue;
    const item = document.createElement("li");
    const link = document.createElement("a");
    const picture = document.createElement("img");
    picture.alt = image.alt || image.caption || image.name;
    picture.width = image.variants.thumb.width;
    picture.height = image.variants.thumb.height;
    picture.referrerPolicy = "no-referrer";
    if (image.placeholder) picture.src = image.placeholder;
    link.href = "#";
    link.addEventListener("click", tried(async () => location.assign((await ask("GET", (image.variants.large || image.variants.thumb).url)).url)));
    link.append(picture);
    item.append(link);
    if (image.caption) item.append(image.caption);
    place("images").append(item);
    ask("GET", image.variants.thumb.url).then(({ url }) => { picture.src = url; }, () => {});
  }
  place("more").hidden = cursor === null;
};
const open = tried(async () => {
  const body = { token: input("token").value.trim().split("#").pop() };
  if (input("password").value) body.password = input("password").value;
  const opened = await ask("POST", "${openPath}", body);
  grant = opened.grant;
  album = opened.album;
  cursor = opened.nextCursor;
  form.hidden = true;
  say(opened.images.length > 0 ? "none" : "nothing");
  place("title").textContent = album.title;
  place("description").textContent = album.description;
  place("archive").hidden = opened.images.length === 0;
  show(opened.images);
});
const more = tried(async () => {
  const page = await ask("GET", album.images + "?cursor=" + encodeURIComponent(cursor));
  cursor = page.nextCursor;
  show(page.items);
});
const download = tried(async () => {
  const asked = await ask("POST", album.images.replace(/images$/, "archive"));
  if (asked.job) say("packing");
  for (let job = asked.job && { state: "waiting" }; job && job.state !== "completed"; ) {
    await new Promise((resolve) => setTimeout(resolve, 1000));
    job = await ask("GET", asked.job.url);
    if (job.state === "failed") throw job;
  }
  const archive = await ask("GET", asked.url);
  say("none");
  location.assign(archive.url);
});
form.addEventListener("submit", open);
place("more").addEventListener("click", more);
place("archive").addEventListener("click", download);
if (location.hash.length > 1) { input("token").value = location.hash.slice(1); open(); }
else form.hidden = false;
`;

/** The page that share links lead to: plain HTML that works before the web app is there. */
export function sharePage({ config, publicUrl }: Pick<Api, "config" | "publicUrl">) {
  const hidden = { detail: { hide: true } };
  return new Elysia()
    .get(
      "/share",
      ({ request }) => {
        const storage = config.S3_PUBLIC_ENDPOINT ?? config.S3_ENDPOINT ?? publicUrl();
        return page(pickLanguage(request), new URL(storage).origin);
      },
      hidden,
    )
    .get(
      scriptPath,
      () =>
        new Response(script, {
          headers: { "content-type": "text/javascript; charset=utf-8", "cache-control": "public, max-age=300" },
        }),
      hidden,
    );
}

function page(language: Language, imageOrigin: string): Response {
  const text = texts[language];
  const told = outcomes.map((name) => `<p role="alert" data-outcome="${name}" hidden>${escapeHtml(text[name])}</p>`);
  const body = `${told.join("\n")}
<noscript><p role="alert">${escapeHtml(text.noScript)} <code>POST ${openPath}</code></p></noscript>
<form hidden>
<label>${escapeHtml(text.token)}<input name="token" required maxlength="300" autocomplete="off" spellcheck="false"></label>
<label data-place="password" hidden>${escapeHtml(text.password)}<input name="password" type="password" maxlength="256" autocomplete="off"></label>
<button>${escapeHtml(text.open)}</button>
</form>
<h2 data-place="title"></h2>
<p data-place="description"></p>
<p><button type="button" data-place="archive" hidden>${escapeHtml(text.archive)}</button></p>
<ul class="images" data-place="images"></ul>
<p><button type="button" data-place="more" hidden>${escapeHtml(text.more)}</button></p>`;
  return htmlPage({
    language,
    title: text.title,
    script: scriptPath,
    images: imageOrigin,
    body,
    headers: { "referrer-policy": "no-referrer" },
  });
}
