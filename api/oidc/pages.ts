import type { Fault } from "../../fault.ts";
import { escapeHtml, htmlPage, type Language } from "../html-page.ts";

const texts = {
  en: {
    title: "Sunduk: signing in",
    "signed-in": "You are signed in. You may close this page.",
    linked: "Linked: you can sign in this way from now on. You may close this page.",
    code: "Code of the authenticator app, or a recovery code",
    go: "Sign in",
    next: "Go on",
    again: "Begin again",
    problems: {
      "begin-again": "This sign-in was not begun in this browser within ten minutes, or was used already.",
      declined: "It was declined there.",
      "provider-away": "The other side does not answer: try again in a moment.",
      misconfigured: "The other side does not accept this server: tell the operator.",
      refused: "The answer of the other side does not belong to this sign-in.",
      "link-first":
        "An account with your e-mail address exists. Sign in to it, then link this way of signing in in its settings.",
      "registration-closed":
        "This is linked to no account, and registration is closed. Sign in and link it, or ask the operator.",
      "account-ended": "This account is disabled or deleted.",
      "somebody-else": "This is linked to somebody else's account here.",
      "another-linked": "Another one of these is linked already: unlink it first.",
      "second-factor": "The code is missing, wrong, too old, or was used: wait for the next one.",
      "too-many": "Too many tries: wait.",
      failed: "That did not work: try again in a moment.",
    },
  },
  ru: {
    title: "Сундук: вход",
    "signed-in": "Вы вошли. Эту страницу можно закрыть.",
    linked: "Привязано: теперь можно входить и так. Эту страницу можно закрыть.",
    code: "Код из приложения или код восстановления",
    go: "Войти",
    next: "Продолжить",
    again: "Начать заново",
    problems: {
      "begin-again": "Этот вход начат не в этом браузере, больше десяти минут назад или уже использован.",
      declined: "Там ответили отказом.",
      "provider-away": "Другая сторона не отвечает: попробуйте чуть позже.",
      misconfigured: "Другая сторона не принимает этот сервер: сообщите администратору.",
      refused: "Ответ другой стороны не относится к этому входу.",
      "link-first":
        "Учётная запись с вашим адресом почты уже есть. Войдите в неё и привяжите этот способ входа в её настройках.",
      "registration-closed":
        "Это не привязано ни к одной учётной записи, а регистрация закрыта. Войдите и привяжите или обратитесь к администратору.",
      "account-ended": "Эта учётная запись отключена или удалена.",
      "somebody-else": "Это привязано к чужой учётной записи.",
      "another-linked": "Такой способ уже привязан: сначала отвяжите прежний.",
      "second-factor": "Код не введён, неверен, устарел или уже использован: дождитесь следующего.",
      "too-many": "Слишком много попыток: подождите.",
      failed: "Не получилось: попробуйте ещё раз чуть позже.",
    },
  },
} as const;

type Page = { language: Language; provider: string; cookies?: string[] };

/** The page that ends a sign-in or a linking; `returnTo` is a path here. It holds no token. */
export function donePage(kind: "signed-in" | "linked", { returnTo, ...page }: Page & { returnTo: string }): Response {
  const text = texts[page.language];
  const link = returnTo === "/" ? "" : `<p><a href="${escapeHtml(returnTo)}">${text.next}</a></p>`;
  return respond(page, { status: 200, body: `<p>${text[kind]}</p>${link}` });
}

/** The page that asks for the code of a second factor. The ticket is good only with the browser's cookie, and with the code. */
export function codePage({ ticket, ...page }: Page & { ticket: string }, fault?: Fault): Response {
  const text = texts[page.language];
  return respond(page, {
    status: fault?.status ?? 200,
    body: `${fault ? alertOf(page.language, fault) : ""}<form method="post" action="/v1/auth/oidc/${page.provider}/code">
<input type="hidden" name="ticket" value="${escapeHtml(ticket)}">
<label>${text.code}<input name="code" autocomplete="one-time-code" required maxlength="40" autofocus></label>
<button>${text.go}</button></form>`,
  });
}

/** The page of a sign-in that failed, in words for people. */
export function problemPage(page: Page, fault: Fault): Response {
  const again = `<p><a href="/v1/auth/oidc/${page.provider}/start">${texts[page.language].again}</a></p>`;
  return respond(page, { status: fault.status, body: alertOf(page.language, fault) + again });
}

function alertOf(language: Language, fault: Fault): string {
  const { problems } = texts[language];
  const reason = String(fault.extra.reason ?? fault.code);
  const known = Object.entries(problems).find(([name]) => name === reason)?.[1] ?? problems.failed;
  return `<p role="alert">${known}</p>`;
}

function respond({ language, cookies = [] }: Page, { status, body }: { status: number; body: string }): Response {
  const { title } = texts[language];
  const response = htmlPage({ language, title, status, body, headers: { vary: "accept-language, accept" } });
  for (const cookie of cookies) response.headers.append("set-cookie", cookie);
  return response;
}
