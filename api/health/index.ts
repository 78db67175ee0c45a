import { Elysia, t } from "elysia";
import { hashToken, isSameSecret } from "../../digest.ts";
import { Fault } from "../../fault.ts";
import manifest from "../../package.json" with { type: "json" };
import type { Api } from "../api.ts";
import { openChecks, type PartCheck } from "./checks.ts";
import { openMetrics } from "./metrics.ts";

/** Health, numbers and public keys, at the root. */
export function health(api: Api) {
  const checkParts = openChecks(api);
  const metrics = openMetrics(api, { checkParts, version: manifest.version });
  const startedAt = new Date();
  return new Elysia({ tags: ["health"] })
    .get(
      "/status",
      () => ({
        name: "sunduk",
        version: manifest.version,
        startedAt: startedAt.toISOString(),
        parts: { database: "postgres", queues: api.config.REDIS_URL ? "redis" : "postgres", storage: api.storage.kind },
      }),
      { detail: { summary: "What this server is" } },
    )
    .get(
      "/livez",
      ({ set }) => {
        set.headers["cache-control"] = "no-store";
        return { status: "ok" };
      },
      { detail: { summary: "Whether the process answers" } },
    )
    .get(
      "/readyz",
      async ({ query, set, request, server }) => {
        const checks = await checkParts();
        const ready = checks.every(({ ok, required }) => ok || !required);
        set.status = ready ? 200 : 503;
        set.headers["cache-control"] = "no-store";
        const wrong = checks.filter(({ ok }) => !ok).map(({ part }) => part);
        return {
          status: !ready ? "unavailable" : wrong.length === 0 ? "ok" : "degraded",
          ...(wrong.length > 0 && { degraded: wrong }),
          ...(query.verbose !== undefined && { checks: isNear(request, server) ? checks : checks.map(hideDetail) }),
        };
      },
      {
        query: t.Object({ verbose: t.Optional(t.String()) }),
        detail: { summary: "Whether the process can do its work; ?verbose says what cannot" },
      },
    )
    .get(
      "/metrics",
      async ({ request, server }) => {
        const token = api.config.METRICS_TOKEN;
        const allowed = token
          ? isSameSecret(hashToken(request.headers.get("authorization") ?? ""), hashToken(`Bearer ${token}`))
          : isNear(request, server);
        if (!allowed) throw new Fault("not-found", "There is nothing at this address");
        return new Response(await metrics.render(), {
          headers: { "content-type": metrics.contentType, "cache-control": "no-store" },
        });
      },
      { detail: { summary: "Numbers for Prometheus: with METRICS_TOKEN, or from loopback when none is set" } },
    )
    .get(
      "/.well-known/jwks.json",
      async ({ set }) => {
        set.headers["cache-control"] = "public, max-age=60";
        set.headers["access-control-allow-origin"] = "*"; // pages of OpenID clients read them
        return { keys: [...api.tokens.publicKeys().keys, ...(await api.idTokenKeys.publicKeys())] };
      },
      { detail: { summary: "Public keys of access and ID tokens (RFC 7517)" } },
    );
}

type Server = { requestIP: (request: Request) => { address: string } | null } | null;

/** Whether somebody on this machine asks, and not through a proxy. */
function isNear(request: Request, server: Server): boolean {
  const peer = server?.requestIP(request)?.address ?? "";
  const direct = !["forwarded", "x-forwarded-for", "x-real-ip"].some((name) => request.headers.has(name));
  return direct && ["127.0.0.1", "::1", "::ffff:127.0.0.1"].includes(peer);
}

/** What a driver says of a part may name hosts and accounts: that is for this machine alone. */
function hideDetail({ part, ok, required, state }: PartCheck): PartCheck {
  return { part, ok, required, state };
}
