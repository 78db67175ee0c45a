import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type System, startSystem, waitFor } from "../harness.ts";
import { type MailServer, startMailServer, tokenOf } from "../mail-server.ts";

let mails: MailServer;
let system: System;
beforeAll(async () => {
  mails = await startMailServer();
  system = await startSystem({ pods: 1, environment: { SMTP_URL: mails.url, MAIL_FROM: "noreply@chest.example" } });
});
afterAll(async () => {
  await system?.stop();
  await mails?.close();
});

const first = "a long test password";
const second = "another long password";

/** A stand-in for the few parts of a browser that the script of the pages uses; its requests are real. */
async function openPage(path: string, language = "en") {
  const html = (await system.call("GET", path.split("#")[0] ?? "", { headers: { "accept-language": language } })).text;
  const script = (await system.call("GET", /<script src="([^"]+)"/.exec(html)?.[1] ?? "")).text;
  const forms = [...html.matchAll(/<form data-post="([^"]+)" data-done="([^"]+)">(.*?)<\/form>/gs)].map(
    ([, post, done, inner = ""]) => {
      const inputs = [...inner.matchAll(/<input ([^>]*)>/g)].map(([, attributes = ""]) => ({
        name: /name="([^"]*)"/.exec(attributes)?.[1] ?? "",
        type: /type="([^"]*)"/.exec(attributes)?.[1] ?? "text",
        value: "",
        checked: false,
      }));
      const button = { disabled: false };
      let listener = async (_event: { preventDefault: () => void }) => undefined as unknown;
      return {
        dataset: { post, done },
        hidden: false,
        inputs,
        button,
        querySelectorAll: () => inputs,
        querySelector: () => button,
        addEventListener: (_kind: string, listen: typeof listener) => {
          listener = listen;
        },
        submit: () => listener({ preventDefault: () => undefined }),
      };
    },
  );
  const places = [...html.matchAll(/data-outcome="([^"]+)" hidden>([^<]*)</g)].map(([, name, text]) => ({
    name,
    text,
    hidden: true,
  }));
  const document = {
    querySelector: (selector: string) =>
      selector.startsWith("input")
        ? forms[0]?.inputs.find(({ name }) => name === "token")
        : (places.find(({ name }) => selector === `[data-outcome=${name}]`) ?? null),
    querySelectorAll: (selector: string) => (selector.startsWith("form") ? forms : places),
  };
  const shown: string[] = [];
  const run = new Function("document", "location", "history", "fetch", script);
  run(
    document,
    { hash: path.includes("#") ? path.slice(path.indexOf("#")) : "", pathname: path.split("#")[0] },
    { replaceState: (_state: unknown, _title: string, address: string) => shown.push(address) },
    (address: string, options: RequestInit) => fetch(`${system.url}${address}`, options),
  );
  const fill = (values: Record<string, string | boolean>, form = forms[0]) => {
    for (const input of form?.inputs ?? []) {
      const value = values[input.name];
      if (typeof value === "boolean") input.checked = value;
      else if (value !== undefined) input.value = value;
    }
    return form?.submit();
  };
  return { forms, shown, fill, said: () => places.filter(({ hidden }) => !hidden).map(({ name }) => name) };
}

async function register() {
  const login = `page-${Math.random().toString(36).slice(2, 10)}`;
  const email = `${login}@mail.example`;
  await system.call("POST", "/v1/auth/register", { body: { login, email, password: first } });
  return { login, email };
}
const statusOf = async (login: string, password: string) =>
  (await system.call("POST", "/v1/auth/login", { body: { login, password } })).status;

describe.each([
  ["/verify", "Confirm your address", "Подтверждение адреса"],
  ["/reset", "A new password", "Новый пароль"],
])("GET %s", (path, english, russian) => {
  test("is a page in the reader's language, from our own host alone, that no cache keeps", async () => {
    for (const [language, title] of [
      ["en", english],
      ["ru-RU,ru;q=0.9,en;q=0.5", russian],
      ["de", english],
    ]) {
      const { status, headers, text } = await system.call("GET", path, {
        headers: { "accept-language": language ?? "" },
      });
      expect([status, headers.get("cache-control"), headers.get("referrer-policy")]).toEqual([
        200,
        "no-store",
        "no-referrer",
      ]);
      expect(text).toContain(`<title>${title}</title>`);
      const policy = headers.get("content-security-policy") ?? "";
      expect(policy).toMatch(
        /^default-src 'none'; style-src 'sha256-[^']+'; script-src 'self'; connect-src 'self'; form-action 'none';/,
      );
      expect(policy).toContain("frame-ancestors 'none'");
      expect(text.match(/(src|href|action)="(?!\/[a-z])[^"]*"/g)).toBeNull();
      expect(text.match(/<script(?! src="\/account-links\.js" defer><\/script>)|\son\w+=/g)).toBeNull();
      expect(text).toContain("<noscript>");
    }
  });
});

test("the link of a mail proves an address: the token leaves the address bar, and nothing is sent before the button", async () => {
  const { login, email } = await register();
  const mail = await mails.waitForMail(email);
  const link = new URL(/http\S+\/verify#\S+/.exec(mail.text)?.[0] ?? "");
  expect([link.pathname, link.search]).toEqual(["/verify", ""]);
  const page = await openPage(`/verify${link.hash}`);
  expect(page.shown).toEqual(["/verify"]);
  expect(await statusOf(email, first)).toBe(401);
  await page.fill({});
  expect([page.said(), page.forms[0]?.hidden]).toEqual([["verified"], true]);
  expect(await statusOf(email, first)).toBe(200);
  const again = await openPage("/verify");
  await again.fill({ token: link.href }); // the whole link may be pasted
  expect(again.said()).toEqual(["link"]);
  expect(login).not.toBe("");
});

test("the page asks for a link, and takes it for a new password", async () => {
  const { login, email } = await register();
  await (await openPage(`/verify#${tokenOf(await mails.waitForMail(email), "verify")}`)).fill({});
  const asking = await openPage("/reset");
  await asking.fill({ login }, asking.forms[1]);
  expect(asking.said()).toEqual(["asked"]);
  const token = tokenOf(await mails.waitForMail(email, /password/), "reset");
  const page = await openPage(`/reset#${token}`);
  for (const [password, said] of [
    ["12345678", "weak-password"],
    ["short", "invalid"],
  ]) {
    await page.fill({ password: password ?? "" });
    expect(page.said()).toEqual([said]);
  }
  await page.fill({ password: second, endSessions: true });
  expect(page.said()).toEqual(["changed"]);
  await waitFor(async () => (await statusOf(login, second)) === 200, "the new password");
  expect(await statusOf(login, first)).toBe(401);
});

test("a token in a query is nothing", async () => {
  const answer = await system.call("POST", `/v1/auth/email/verify?token=${"x".repeat(43)}`, { body: {} });
  expect([400, 422]).toContain(answer.status);
});
