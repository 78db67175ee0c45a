import { openApi } from "../../api/serve.ts";
import type { Deps } from "../../deps.ts";
import { readKeys } from "../../keys.ts";
import { type Call, openCall, openTestDeps } from "../harness.ts";

export type TestApi = { deps: Deps; url: string; call: Call; signUp: SignUp; close: () => Promise<void> };
type SignUp = (login: string, roles?: string[]) => Promise<{ login: string; token: string }>;
export const testPassword = "a long test password";

/** The API alone in this process, on parts of its own: no pods. */
export async function openTestApi(extra: Record<string, string> = {}): Promise<TestApi> {
  const deps = await openTestDeps(extra);
  const api = await openApi(deps, { keys: readKeys(deps.config), host: "127.0.0.1", port: 0, features: [] });
  const url = `http://127.0.0.1:${api.port}`;
  const call = openCall(url);
  const signUp: SignUp = async (login, roles = []) => {
    const body = { login, password: testPassword };
    await call("POST", "/v1/auth/register", { body });
    await deps.db.query({
      name: "test_roles",
      text: `update account."user" set roles = $2 where login = $1`,
      values: [login, roles],
    });
    return { login, token: (await call("POST", "/v1/auth/login", { body })).json.accessToken };
  };
  const close = async () => {
    await api.close();
    await deps.close();
  };
  return { deps, url, call, signUp, close };
}

/** Everything in a page or an asset that a browser would fetch from another host. */
export function findForeignLoads(text: string): string[] {
  const places = [
    /\b(?:src|href|action|srcset|poster)\s*=\s*["']?((?:https?:)?\/\/[^"'\s>]+)/gi,
    /@import\s+(?:url\()?["']?((?:https?:)?\/\/[^"')\s]+)/gi,
    /url\(\s*["']?((?:https?:)?\/\/[^"')\s]+)/gi,
  ];
  return places.flatMap((place) => [...text.matchAll(place)].map((match) => match[1] ?? ""));
}
