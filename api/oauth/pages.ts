import type { WaitingGrant } from "../../db/device-grant.ts";
import { escapeHtml, htmlPage, type Language } from "../html-page.ts";
import { type DeviceTexts, deviceTexts } from "./texts.ts";

/** Why the page is shown once more: a fault's code or reason, or what is special to this page. */
export type PageProblem = keyof DeviceTexts["problems"];

type EntryPage = { language: Language; problem?: PageProblem | undefined; userCode?: string; login?: string };

/** The page on which a person types the code that a device shows, and signs in. */
export function entryPage({ language, problem, userCode = "", login = "" }: EntryPage, status = 200): Response {
  const text = deviceTexts[language];
  return htmlPage({
    language,
    status,
    title: text.title,
    body: `${problem === undefined ? "" : `<p role="alert">${text.problems[problem]}</p>\n`}<p>${text.intro}</p>
<form method="post" action="/device">
<label>${text.userCode}<input name="user_code" required maxlength="32" autocomplete="off" autocapitalize="characters" spellcheck="false" placeholder="XXXX-XXXX" value="${escapeHtml(userCode)}"${userCode === "" ? " autofocus" : ""}></label>
<label>${text.login}<input name="login" autocomplete="username" required maxlength="254" value="${escapeHtml(login)}"></label>
<label>${text.password}<input name="password" type="password" autocomplete="current-password" required maxlength="256"${userCode === "" ? "" : " autofocus"}></label>
<label>${text.code}<input name="code" autocomplete="one-time-code" maxlength="40"></label>
<button name="action" value="look">${text.next}</button>
</form>`,
  });
}

type ConsentPage = {
  language: Language;
  login: string;
  client: string;
  userCode: string;
  grant: WaitingGrant;
  cookie: string;
};

/** The page that says what is about to be let in, and asks. */
export function consentPage({ language, login, client, userCode, grant, cookie }: ConsentPage): Response {
  const text = deviceTexts[language];
  const scopes = grant.scopes.map((scope) => `<li>${escapeHtml(text.scopes[scope] ?? scope)}</li>`).join("");
  return htmlPage({
    language,
    title: text.title,
    headers: { "set-cookie": cookie },
    body: `<p>${text.question(escapeHtml(login))}</p>
<p><output>${escapeHtml(userCode)}</output></p>
<dl><dt>${text.client}</dt><dd>${escapeHtml(client)}</dd>
<dt>${text.device}</dt><dd>${escapeHtml(grant.device || text.unknown)}</dd>
<dt>${text.address}</dt><dd>${escapeHtml(grant.address || text.unknown)}</dd>
<dt>${text.asked}</dt><dd>${describeAge(grant.ageSeconds, language)}</dd>
<dt>${text.may}</dt><dd><ul>${scopes || `<li>${text.nothing}</li>`}</ul></dd></dl>
<p>${text.warning}</p>
<form method="post" action="/device">
<button name="action" value="approve">${text.approve}</button><button name="action" value="deny">${text.deny}</button>
</form>`,
  });
}

/** The last page: what was decided. */
export function settledPage({
  language,
  state,
  cookie,
}: {
  language: Language;
  state: "approved" | "denied";
  cookie: string;
}): Response {
  const text = deviceTexts[language];
  return htmlPage({ language, title: text.title, headers: { "set-cookie": cookie }, body: `<p>${text[state]}</p>` });
}

/** "3 minutes ago", in words. */
export function describeAge(ageSeconds: number, language: Language): string {
  const words = new Intl.RelativeTimeFormat(language, { numeric: "always" });
  return ageSeconds < 60 ? words.format(-ageSeconds, "second") : words.format(-Math.floor(ageSeconds / 60), "minute");
}
