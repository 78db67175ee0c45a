import type { PlayerRow } from "../../db/player.ts";
import { escapeHtml, htmlPage, type Language } from "../html-page.ts";
import type { AuthorizeRequest } from "./authorize-request.ts";
import { type AuthorizeTexts, authorizeTexts } from "./authorize-texts.ts";
import type { Browser } from "./browser-session.ts";
import { writeAnswer } from "./redirects.ts";
import { deviceTexts } from "./texts.ts";

/** Why a page is shown once more, or at all. */
export type AuthorizeProblem = keyof AuthorizeTexts["problems"];

type SignInPage = {
  language: Language;
  asked: AuthorizeRequest;
  issuer: string;
  login?: string;
  problem?: AuthorizeProblem | undefined;
  status?: number;
  providers: { id: string; name: string }[];
};

/** The page on which a person signs in for a client. */
export function signInPage({ language, asked, issuer, login, problem, status = 200, providers }: SignInPage): Response {
  const text = authorizeTexts[language];
  const { client, redirectUri, state, query } = asked;
  const returnTo = encodeURIComponent(`/oauth/authorize?${afterProvider(query)}`);
  const links = providers.map(
    ({ id, name }) => `<li><a href="/v1/auth/oidc/${id}/start?returnTo=${returnTo}">${escapeHtml(name)}</a></li>`,
  );
  const back = writeAnswer(redirectUri, { error: "access_denied", state, iss: issuer });
  return htmlPage({
    language,
    status,
    title: text.title,
    leaves: client.trusted,
    body: `${alertOf(text, problem)}<p>${text.to(escapeHtml(client.name))}</p>
<form method="post" action="/oauth/authorize/sign-in">
<input type="hidden" name="query" value="${escapeHtml(query)}">
<label>${text.login}<input name="login" autocomplete="username" required maxlength="254" value="${escapeHtml(login ?? asked.loginHint)}"></label>
<label>${text.password}<input name="password" type="password" autocomplete="current-password" required maxlength="256"></label>
<label>${text.code}<input name="code" autocomplete="one-time-code" maxlength="40"></label>
<button>${text.next}</button>
</form>${links.length === 0 ? "" : `\n<p>${text.through}</p><ul>${links.join("")}</ul>`}
<p><a href="${escapeHtml(back)}" rel="noreferrer">${text.back}</a></p>`,
  });
}

const backSeconds = 300;

/** Whoever comes back from a provider has just signed in: he is not asked once more, if it was not long ago. */
function afterProvider(query: string): string {
  const parameters = new URLSearchParams(query);
  const asked = (parameters.get("prompt") ?? "").split(" ");
  const left = asked.filter((prompt) => prompt !== "login" && prompt !== "select_account");
  const again = left.length < asked.length;
  if (again) parameters.set("prompt", left.join(" "));
  if (again || Number(parameters.get("max_age") || backSeconds) < backSeconds)
    parameters.set("max_age", String(backSeconds));
  return parameters.toString();
}

type ConsentPage = {
  language: Language;
  asked: AuthorizeRequest;
  browser: Browser;
  /** Undefined when no player is asked for. */
  players: PlayerRow[] | undefined;
  consent: { at: string; mac: string };
  problem?: AuthorizeProblem | undefined;
};

/** The page that says what a client wants, and asks. */
export function consentPage({ language, asked, browser, players, consent, problem }: ConsentPage): Response {
  const text = authorizeTexts[language];
  const { client, redirectUri, scopes, query } = asked;
  const words = scopes.map((scope) => `<li>${escapeHtml(deviceTexts[language].scopes[scope] ?? scope)}</li>`);
  const another = new URLSearchParams(query);
  another.set("prompt", "login consent");
  const mayAllow = players?.length !== 0;
  const response = htmlPage({
    language,
    title: text.title,
    status: problem === undefined ? 200 : 422,
    leaves: true,
    body: `${alertOf(text, problem)}<p>${text.question(escapeHtml(client.name), escapeHtml(browser.login))}</p>
<dl><dt>${text.goesTo}</dt><dd>${escapeHtml(describeTarget(text, redirectUri))}</dd>
<dt>${text.may}</dt><dd><ul>${words.join("")}</ul></dd></dl>
<form method="post" action="/oauth/authorize/decide">
<input type="hidden" name="query" value="${escapeHtml(query)}"><input type="hidden" name="at" value="${consent.at}"><input type="hidden" name="consent" value="${consent.mac}">
${players ? choosePlayer(text, players) : ""}${mayAllow ? `<button name="action" value="allow">${text.allow}</button>` : ""}<button name="action" value="deny">${text.deny}</button>
</form>
<p><a href="/oauth/authorize?${escapeHtml(another.toString())}">${text.other}</a></p>`,
  });
  for (const cookie of browser.cookies) response.headers.append("set-cookie", cookie);
  return response;
}

/** A choice among somebody's players; the first is chosen already. Of a page on which he decides. */
export function choosePlayer(text: Pick<AuthorizeTexts, "player" | "noPlayer">, players: PlayerRow[]): string {
  if (players.length === 0) return `<p>${text.noPlayer}</p>\n`;
  const options = players.map(({ id, name }) => `<option value="${id}">${escapeHtml(name)}</option>`);
  return `<label>${text.player}<select name="player">${options.join("")}</select></label>\n`;
}

/** The host, or the scheme of a program's own. */
function describeTarget(text: AuthorizeTexts, redirectUri: string): string {
  const { protocol, host } = new URL(redirectUri);
  return /^https?:$/.test(protocol) ? host : text.program(protocol);
}

type LeavePage = {
  language: Language;
  login: string | undefined;
  client: string | undefined;
  query: string;
  status?: number;
  problem?: AuthorizeProblem;
};

/** The page that asks whether somebody wants to sign out (OpenID Connect RP-Initiated Logout 1.0, 2). */
export function leavePage({ language, login, client, query, problem }: LeavePage): Response {
  const text = authorizeTexts[language];
  const question = login === undefined ? client && text.leaveClient(escapeHtml(client)) : text.leave(escapeHtml(login));
  const form = `<form method="post" action="/oauth/logout/confirm">
<input type="hidden" name="query" value="${escapeHtml(query)}"><button>${text.signOut}</button></form>`;
  return htmlPage({
    language,
    title: text.leaveTitle,
    status: problem === undefined ? 200 : 400,
    leaves: true,
    body: `${alertOf(text, problem)}<p>${question ?? text.leaveNobody}</p>${question === undefined ? "" : form}`,
  });
}

/** The last page of signing out, where no client wants the person back. */
export function leftPage(language: Language, cookie: string): Response {
  const text = authorizeTexts[language];
  return htmlPage({ language, title: text.leaveTitle, body: `<p>${text.left}</p>`, headers: { "set-cookie": cookie } });
}

/** A refusal that goes nowhere else: nobody may be sent on. */
export function refusedPage(language: Language, problem: AuthorizeProblem): Response {
  const text = authorizeTexts[language];
  return htmlPage({ language, title: text.title, status: 400, body: alertOf(text, problem) });
}

function alertOf(text: AuthorizeTexts, problem: AuthorizeProblem | undefined): string {
  return problem === undefined ? "" : `<p role="alert">${text.problems[problem]}</p>\n`;
}
