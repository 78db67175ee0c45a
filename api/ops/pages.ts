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

export type Language = keyof typeof texts;

/** Russian when Accept-Language ranks it above English (RFC 9110, 12.5.4), else English. */
export function pickLanguage(request: Request): Language {
  const ranked = (request.headers.get("accept-language") ?? "")
    .split(",")
    .map((part) => {
      const [tag = "", ...parameters] = part.trim().toLowerCase().split(";");
      const quality = parameters.map((text) => /^\s*q=([\d.]+)/.exec(text)?.[1]).find(Boolean);
      return { language: tag.split("-")[0], quality: Number(quality ?? 1) };
    })
    .filter(({ language, quality }) => quality > 0 && (language === "ru" || language === "en"))
    .sort((a, b) => b.quality - a.quality);
  return ranked[0]?.language === "ru" ? "ru" : "en";
}

const style = `body{font:16px/1.5 system-ui,sans-serif;max-width:22rem;margin:15vh auto;padding:0 1rem;color-scheme:light dark}
label{display:block;margin:.8rem 0}input{display:block;width:100%;box-sizing:border-box;padding:.5rem;font:inherit}
button{padding:.5rem 1.2rem;font:inherit}[role=alert]{border-left:4px solid #c33;padding-left:.8rem}`;

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
  const { title } = texts[language];
  const styleHash = new Bun.CryptoHasher("sha256").update(style).digest("base64");
  const html = `<!doctype html>
<html lang="${language}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${title}</title>
<style>${style}</style></head><body><h1>${title}</h1>
${body}
</body></html>`;
  return new Response(html, {
    status,
    headers: {
      "content-type": "text/html; charset=utf-8",
      "cache-control": "no-store",
      "content-language": language,
      vary: "accept-language",
      "referrer-policy": "same-origin", // with no-referrer a browser sends the form with "Origin: null"
      "content-security-policy": `default-src 'none'; style-src 'sha256-${styleHash}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'`,
    },
  });
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
