import { Type as t } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import type { Config } from "./config.ts";

/** The secrets that are kept in Vault, under these names. */
export type VaultSecrets = {
  SIGNING_KEY?: string | undefined;
  TOKEN_SECRET?: string | undefined;
  YGGDRASIL_KEY?: string | undefined;
  MANIFEST_KEY?: string | undefined;
};

export type Vault = {
  read: () => Promise<VaultSecrets>;
  /** Changes one secret; refused when somebody else changed any since it was read (check-and-set). */
  write: (change: (before: VaultSecrets) => Promise<VaultSecrets>) => Promise<void>;
};

const Kept = t.Object({
  data: t.Object({
    data: t.Record(t.String(), t.String()),
    metadata: t.Object({ version: t.Integer() }),
  }),
});
const SignedIn = t.Object({ auth: t.Object({ client_token: t.String(), lease_duration: t.Integer() }) });
const timeoutMs = 5_000;

/**
 * The KV version 2 engine of HashiCorp Vault over its HTTP API (developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2),
 * with a token or an AppRole; undefined when VAULT_ADDR is not set. Throws an Error that names the path, never a value.
 */
export function openVault(config: Config): Vault | undefined {
  const { VAULT_ADDR: address, VAULT_KEYS_PATH: path, VAULT_TOKEN: fixed } = config;
  const { VAULT_ROLE_ID: roleId, VAULT_SECRET_ID: secretId } = config;
  if (!address) return undefined;
  if (!fixed && !(roleId && secretId))
    throw new Error("Cannot use Vault: VAULT_TOKEN, or VAULT_ROLE_ID and VAULT_SECRET_ID, are needed with VAULT_ADDR");
  let token: { value: string; until: number } | undefined;

  const send = (place: string, { headers, body }: { headers?: Record<string, string>; body?: unknown }) =>
    fetch(`${address}/v1/${place}`, {
      method: body === undefined ? "GET" : "POST",
      redirect: "error",
      ...(headers && { headers }),
      ...(body !== undefined && { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(timeoutMs),
    });
  const signIn = async (): Promise<string> => {
    if (fixed) return fixed;
    if (token && token.until > performance.now()) return token.value;
    const answer = await send("auth/approle/login", { body: { role_id: roleId, secret_id: secretId } });
    const body: unknown = await answer.json().catch(() => undefined);
    if (!answer.ok || !Value.Check(SignedIn, body))
      throw new Error(`Cannot use Vault: signing in by AppRole was answered with ${answer.status}`);
    // Half of its life, so that it never ends on the way; 0 is one that does not end.
    const seconds = body.auth.lease_duration || 3600;
    token = { value: body.auth.client_token, until: performance.now() + seconds * 500 };
    return token.value;
  };
  const ask = async (body?: unknown): Promise<Response> => {
    const attempt = async () =>
      send(path, { headers: { "x-vault-token": await signIn() }, ...(body !== undefined && { body }) });
    const answer = await attempt();
    if (answer.status !== 403 || fixed) return answer;
    token = undefined; // it may have been revoked
    return attempt();
  };
  const readVersion = async () => {
    const answer = await ask();
    const body: unknown = await answer.json().catch(() => undefined);
    if (!answer.ok || !Value.Check(Kept, body))
      throw new Error(`Cannot read ${path} in Vault: it was answered with ${answer.status}`);
    return { kept: body.data.data, version: body.data.metadata.version };
  };
  return {
    read: async () => (await readVersion()).kept,
    write: async (change) => {
      const { kept, version } = await readVersion();
      const data = { ...kept, ...(await change(kept)) };
      const answer = await ask({ options: { cas: version }, data });
      if (!answer.ok) throw new Error(`Cannot write ${path} in Vault: it was answered with ${answer.status}`);
    },
  };
}
