import { createServer } from "node:http";
import { exportJWK, generateKeyPair } from "jose";
import Provider from "oidc-provider";

export type IdentityServer = {
  issuer: string;
  /** What it says of somebody who signs in there with this login. */
  people: Map<string, Record<string, unknown>>;
  /** Opens it for a client that is sent back to these addresses. */
  open: (redirectUris: string[]) => Promise<void>;
  stop: () => Promise<void>;
};

export const clientId = "sunduk-test";
export const clientSecret = "a secret of the client, for tests only";

/** A real OpenID Connect provider (npm's oidc-provider) on loopback, with its own pages for signing in and consent. */
export async function startIdentityServer(): Promise<IdentityServer> {
  const people = new Map<string, Record<string, unknown>>();
  let answer: ReturnType<Provider["callback"]> | undefined;
  const server = createServer((request, response) => {
    if (answer) return void answer(request, response);
    response.writeHead(503).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const issuer = `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}`;
  return {
    issuer,
    people,
    open: async (redirectUris) => {
      const { privateKey } = await generateKeyPair("RS256", { extractable: true });
      const provider = new Provider(issuer, {
        clients: [{ client_id: clientId, client_secret: clientSecret, redirect_uris: redirectUris }],
        jwks: { keys: [{ ...(await exportJWK(privateKey)), alg: "RS256", use: "sig", kid: "test" }] },
        cookies: { keys: ["a key of cookies, for tests only"] },
        claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["preferred_username", "name"] },
        ttl: { AccessToken: 600, AuthorizationCode: 60, IdToken: 600, Interaction: 600, Session: 600, Grant: 600 },
        findAccount: (_context, sub) => ({ accountId: sub, claims: async () => ({ sub, ...people.get(sub) }) }),
      });
      answer = provider.callback();
    },
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export type Page = { status: number; url: string; headers: Headers; text: string; json: any };
export type Browser = {
  /** One request, with this browser's cookies; redirects come back as they are. */
  fetch: (
    url: string,
    options?: { method?: string; form?: Record<string, string>; headers?: Record<string, string> },
  ) => Promise<Page>;
  /** Follows redirects and fills in the provider's forms until an address begins with `until`, which is not asked. */
  signIn: (url: string, options: { login: string; until: string }) => Promise<string>;
  cookies: Map<string, string>;
};

/** What a person sits at: cookies by origin and name, and forms that are filled in and sent. Runs no script. */
export function openBrowser(): Browser {
  const cookies = new Map<string, string>();
  const fetchPage: Browser["fetch"] = async (url, { method = "GET", form, headers = {} } = {}) => {
    const { origin } = new URL(url);
    const mine = [...cookies].filter(([name]) => name.startsWith(`${origin} `));
    const response = await fetch(url, {
      method,
      redirect: "manual",
      headers: {
        accept: "text/html,application/xhtml+xml,*/*;q=0.8",
        "user-agent": "Mozilla/5.0 (test)",
        ...(mine.length > 0 && { cookie: mine.map(([name, value]) => `${name.split(" ")[1]}=${value}`).join("; ") }),
        ...headers,
      },
      ...(form && { body: new URLSearchParams(form) }),
      signal: AbortSignal.timeout(20_000),
    });
    for (const line of response.headers.getSetCookie()) {
      const [pair = ""] = line.split(";");
      const name = `${origin} ${pair.slice(0, pair.indexOf("="))}`;
      const value = pair.slice(pair.indexOf("=") + 1);
      if (value === "" || /max-age=0\b/i.test(line)) cookies.delete(name);
      else cookies.set(name, value);
    }
    const text = await response.text();
    const json = response.headers.get("content-type")?.includes("json") ? JSON.parse(text) : undefined;
    return { status: response.status, url, headers: response.headers, text, json };
  };
  return {
    cookies,
    fetch: fetchPage,
    signIn: async (url, { login, until }) => {
      let page = await fetchPage(url);
      for (let steps = 0; steps < 12; steps++) {
        const location = page.headers.get("location");
        if (location) {
          const next = new URL(location, page.url).href;
          if (next.startsWith(until)) return next;
          page = await fetchPage(next);
          continue;
        }
        const form = readForm(page);
        if (!form) throw new Error(`no form at ${page.url}: ${page.status} ${page.text.slice(0, 500)}`);
        const { login: asked, ...rest } = form.fields;
        const filled = asked === undefined ? rest : { ...rest, login, password: "anything" };
        page = await fetchPage(form.action, { method: "POST", form: filled });
      }
      throw new Error(`never came to ${until}`);
    },
  };
}

/** The first form of a page: where it goes, and the names and values of its inputs. */
export function readForm({ text, url }: Page): { action: string; fields: Record<string, string> } | undefined {
  const [, attributes, body] = /<form([^>]*)>([\s\S]*?)<\/form>/.exec(text) ?? [];
  if (attributes === undefined || body === undefined) return undefined;
  const attribute = (of: string, name: string) => new RegExp(`\\b${name}="([^"]*)"`).exec(of)?.[1];
  const inputs = [...body.matchAll(/<input([^>]*)>/g)].map(([, of = ""]) => [
    attribute(of, "name"),
    attribute(of, "value"),
  ]);
  const fields = Object.fromEntries(inputs.flatMap(([name, value]) => (name ? [[name, value ?? ""]] : [])));
  return { action: new URL(attribute(attributes, "action") ?? url, url).href, fields };
}
