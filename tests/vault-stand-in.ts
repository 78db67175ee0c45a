type Body = Record<string, any>;

/**
 * A stand-in for HashiCorp Vault on loopback, which cannot be installed where the tests run: the two calls that Sunduk
 * makes, with the answers that Vault's API documentation shows (KV v2 read and write with check-and-set, AppRole login).
 */
export function startVaultStandIn(kept: Record<string, string>) {
  const state = { data: kept, version: 1, logins: 0, reads: 0, sealed: false };
  const roleId = "role-1";
  const secretId = "secret-of-the-role";
  const fixedToken = "hvs.fixed";
  let lent = "";
  const refuse = (status: number, ...errors: string[]) => Response.json({ errors }, { status });
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    async fetch(request) {
      const { pathname } = new URL(request.url);
      if (state.sealed) return refuse(503, "Vault is sealed");
      if (pathname === "/v1/auth/approle/login" && request.method === "POST") {
        const body = (await request.json()) as Body;
        if (body.role_id !== roleId || body.secret_id !== secretId) return refuse(400, "invalid role or secret ID");
        state.logins += 1;
        lent = `hvs.lent-${state.logins}`;
        return Response.json({ auth: { client_token: lent, lease_duration: 1200, renewable: true } });
      }
      if (![fixedToken, lent].includes(request.headers.get("x-vault-token") ?? "-"))
        return refuse(403, "permission denied");
      if (pathname !== "/v1/secret/data/sunduk") return refuse(404);
      if (request.method === "GET") {
        state.reads += 1;
        return Response.json({
          data: { data: state.data, metadata: { version: state.version, destroyed: false, deletion_time: "" } },
        });
      }
      const { options, data } = (await request.json()) as Body;
      if (options?.cas !== state.version)
        return refuse(400, "check-and-set parameter did not match the current version");
      state.data = data;
      state.version += 1;
      return Response.json({ data: { version: state.version } });
    },
  });
  return {
    url: `http://127.0.0.1:${server.port}`,
    roleId,
    secretId,
    fixedToken,
    state,
    revokeLent: () => {
      lent = "";
    },
    stop: () => server.stop(true),
  };
}
