import { escapeHtml, htmlPage, type Language } from "../html-page.ts";

export { type Language, pickLanguage } from "../html-page.ts";

const texts = {
  en: {
    title: "Sunduk: operations",
    login: "Login",
    password: "Password",
    code: "Code of the second factor, if you have one",
    signIn: "Sign in",
    signOut: "Sign out",
    back: "Back to the queues",
    "not-signed-in": "Login or password is wrong.",
    "second-factor": "Give a code of your authenticator app that was not used, or a recovery code.",
    "not-allowed": "This account is neither an admin's nor an operator's.",
    "too-many": "Too many tries: wait a minute.",
    failed: "That did not work: try again in a moment.",
  },
  ru: {
    title: "Сундук: управление",
    login: "Логин",
    password: "Пароль",
    code: "Код второго фактора, если он включён",
    signIn: "Войти",
    signOut: "Выйти",
    back: "Назад к очередям",
    "not-signed-in": "Неверный логин или пароль.",
    "second-factor": "Введите ещё не использованный код из приложения или код восстановления.",
    "not-allowed": "Это не учётная запись администратора или оператора.",
    "too-many": "Слишком много попыток: подождите минуту.",
    failed: "Не получилось: попробуйте ещё раз чуть позже.",
  },
} as const;

const problems = ["not-signed-in", "second-factor", "not-allowed", "too-many"] as const;

type SignInPage = { language: Language; problem?: string; login?: string };

/** The page on which an operator signs in; no script. `problem` is a fault's code, or its reason. */
export function signInPage({ language, problem, login = "" }: SignInPage, status = 200): Response {
  const text = texts[language];
  const known = problems.find((name) => name === problem) ?? "failed";
  return page({
    language,
    status,
    body: `${problem === undefined ? "" : `<p role="alert">${text[known]}</p>`}
<form method="post" action="/ops/sign-in">
<label>${text.login}<input name="login" autocomplete="username" required maxlength="254" value="${escapeHtml(login)}" autofocus></label>
<label>${text.password}<input name="password" type="password" autocomplete="current-password" required maxlength="256"></label>
<label>${text.code}<input name="code" autocomplete="one-time-code" maxlength="40"></label>
<button>${text.signIn}</button>
</form>`,
  });
}

/** The page with the button that ends the session: links may not change anything. */
export function signOutPage(language: Language): Response {
  const text = texts[language];
  return page({
    language,
    status: 200,
    body: `<form method="post" action="/ops/sign-out"><button>${text.signOut}</button></form>
<p><a href="/ops/queues">${text.back}</a></p>`,
  });
}

/** Words that the board itself shows. */
export function boardTexts(language: Language): { title: string; signOut: string } {
  return { title: texts[language].title, signOut: texts[language].signOut };
}

function page({ language, status, body }: { language: Language; status: number; body: string }): Response {
  return htmlPage({ language, status, title: texts[language].title, body });
}
