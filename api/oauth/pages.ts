import type { WaitingGrant } from "../../db/device-grant.ts";
import type { PlayerRow } from "../../db/player.ts";
import { escapeHtml, htmlPage, type Language } from "../html-page.ts";
import { choosePlayer } from "./authorize-pages.ts";
import { authorizeTexts } from "./authorize-texts.ts";
import { type DeviceTexts, deviceTexts } from "./texts.ts";

/** Why the page is shown once more: a fault's code or reason, or what is special to this page. */
export type PageProblem = keyof DeviceTexts["problems"];

type EntryPage = {
  language: Language;
  problem?: PageProblem | undefined;
  userCode?: string;
  login?: string;
  /** The login of somebody who came back from a provider: he types the code only. */
  visitor?: string | undefined;
  providers: { id: string; name: string }[];
};

/** The page on which a person types the code that a device shows, and signs in. */
export function entryPage(
  { language, problem, userCode = "", login = "", visitor, providers }: EntryPage,
  status = 200,
): Response {
  const text = deviceTexts[language];
  const autofocus = (wanted: boolean) => (wanted ? " autofocus" : "");
  const signIn = `<label>${text.login}<input name="login" autocomplete="username" required maxlength="254" value="${escapeHtml(login)}"></label>
<label>${text.password}<input name="password" type="password" autocomplete="current-password" required maxlength="256"${autofocus(userCode !== "")}></label>
<label>${text.code}<input name="code" autocomplete="one-time-code" maxlength="40"></label>`;
  const links = providers.map(
    ({ id, name }) => `<li><a href="/v1/auth/oidc/${id}/start?returnTo=%2Fdevice">${escapeHtml(name)}</a></li>`,
  );
  return htmlPage({
    language,
    status,
    title: text.title,
    body: `${problem === undefined ? "" : `<p role="alert">${text.problems[problem]}</p>\n`}<p>${text.intro}</p>
<form method="post" action="/device">
<label>${text.userCode}<input name="user_code" required maxlength="32" autocomplete="off" autocapitalize="characters" spellcheck="false" placeholder="XXXX-XXXX" value="${escapeHtml(userCode)}"${autofocus(userCode === "")}></label>
${visitor === undefined ? signIn : `<p>${text.visitor(escapeHtml(visitor))}</p>`}
<button name="action" value="look">${text.next}</button>
</form>${visitor !== undefined || links.length === 0 ? "" : `\n<p>${text.through}</p><ul>${links.join("")}</ul>`}`,
  });
}

type ConsentPage = {
  language: Language;
  login: string;
  client: string;
  userCode: string;
  grant: WaitingGrant;
  /** Undefined when no player is asked for. */
  players: PlayerRow[] | undefined;
  cookie: string;
};

/** The page that says what is about to be let in, and asks. */
export function consentPage({ language, login, client, userCode, grant, players, cookie }: ConsentPage): Response {
  const text = deviceTexts[language];
  const approve = players?.length === 0 ? "" : `<button name="action" value="approve">${text.approve}</button>`;
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
${players ? choosePlayer(authorizeTexts[language], players) : ""}${approve}<button name="action" value="deny">${text.deny}</button>
</form>`,
  });
}

type SettledPage = { language: Language; state: "approved" | "denied"; cookies: string[] };

/** The last page: what was decided. */
export function settledPage({ language, state, cookies }: SettledPage): Response {
  const text = deviceTexts[language];
  const response = htmlPage({ language, title: text.title, body: `<p>${text[state]}</p>` });
  for (const cookie of cookies) response.headers.append("set-cookie", cookie);
  return response;
}

/** "3 minutes ago", in words. */
export function describeAge(ageSeconds: number, language: Language): string {
  const words = new Intl.RelativeTimeFormat(language, { numeric: "always" });
  return ageSeconds < 60 ? words.format(-ageSeconds, "second") : words.format(-Math.floor(ageSeconds / 60), "minute");
}
