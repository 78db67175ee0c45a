/** A browser on the page /device: it keeps cookies, and tells where it comes from. */
export type Browser = {
  get: (headers?: Record<string, string>) => Promise<Page>;
  post: (fields: Record<string, string>, headers?: Record<string, string>) => Promise<Page>;
  cookie: () => string;
};
export type Page = { status: number; headers: Headers; html: string };

export const testPassword = "a long test password";

export function openBrowser(url: string): Browser {
  let cookie = "";
  const read = async (response: Response): Promise<Page> => {
    const set = response.headers.get("set-cookie");
    if (set !== null) cookie = set.split(";")[0] ?? "";
    return { status: response.status, headers: response.headers, html: await response.text() };
  };
  return {
    get: async (headers = {}) => read(await fetch(`${url}/device`, { headers })),
    post: async (fields, headers = {}) =>
      read(
        await fetch(`${url}/device`, {
          method: "POST",
          redirect: "manual",
          headers: { origin: url, ...(cookie !== "" && { cookie }), ...headers },
          body: new URLSearchParams(fields),
        }),
      ),
    cookie: () => cookie,
  };
}

/** Types a code, signs in and decides, as a person does. */
export async function decide(
  url: string,
  { userCode, login, action }: { userCode: string; login: string; action: "approve" | "deny" },
): Promise<Page> {
  const browser = openBrowser(url);
  const asked = await browser.post({ action: "look", user_code: userCode, login, password: testPassword });
  if (asked.status !== 200) throw new Error(`looking at ${userCode}: ${asked.status} ${asked.html}`);
  return browser.post({ action });
}

export type FormAnswer = { status: number; headers: Headers; json: any };

/** Posts a form, as OAuth clients do. */
export async function postForm(
  url: string,
  fields: Record<string, string> | string,
  headers: Record<string, string> = {},
): Promise<FormAnswer> {
  const response = await fetch(url, { method: "POST", headers, body: new URLSearchParams(fields) });
  return { status: response.status, headers: response.headers, json: await response.json() };
}
