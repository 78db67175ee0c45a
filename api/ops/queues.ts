import { Elysia } from "elysia";
import { insertAct } from "../../db/audit.ts";
import { Fault } from "../../fault.ts";
import type { Api } from "../api.ts";
import { traceOf } from "../trace.ts";
import { openBoard } from "./board.ts";
import { findOperator, type Operator, requireSameOrigin } from "./operators.ts";
import { boardTexts, pickLanguage } from "./pages.ts";

const basePath = "/ops/queues";
const hidden = { detail: { hide: true } };
/** Styles inline, because the board sets some in its markup; nothing else from anywhere but here. */
const policy =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; connect-src 'self'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'";

/** Bull Board, for admins and operators: who is not signed in is sent to the sign-in page. */
export function queues(api: Api) {
  const board = openBoard({ queues: api.mailbox.queues, redis: api.config.REDIS_URL !== undefined });
  const app = new Elysia({ prefix: basePath })
    .resolve(async ({ request }) => {
      requireSameOrigin(api, request);
      return { caller: await findOperator(api, request) };
    })
    .onBeforeHandle(({ caller, request, set }) => {
      set.headers["cache-control"] = "no-store";
      if (caller) return;
      if (isPage(request)) return new Response(null, { status: 303, headers: { location: "/ops/sign-in" } });
      throw new Fault("not-signed-in", "Sign in first: this is for admins and operators");
    });
  for (const path of board.pagePaths) {
    app.get(
      path,
      ({ request }) => {
        const html = board.renderPage({ basePath, ...boardTexts(pickLanguage(request)) });
        const headers = { "content-type": "text/html; charset=utf-8", "content-security-policy": policy };
        return new Response(html, {
          headers: { ...headers, "cache-control": "no-store", "referrer-policy": "same-origin" },
        });
      },
      hidden,
    );
  }
  for (const [path, file] of board.assets) {
    const headers = { "cache-control": "private, max-age=3600" };
    app.get(path, () => new Response(Bun.file(file), { headers }), hidden);
  }
  for (const { method, route, handler } of board.routes) {
    for (const path of [route].flat()) {
      for (const name of [method].flat()) {
        app.route(
          name.toUpperCase(),
          path,
          async ({ params, query, body, headers, set, caller, request }) => {
            if (caller && request.method !== "GET" && request.method !== "HEAD") await note(caller, request);
            const asked = { params: { ...params }, query, body: isRecord(body) ? body : {}, headers };
            const answer = await handler({ ...asked, queues: board.queues, uiConfig: {} });
            set.status = answer.status ?? 200;
            return answer.body;
          },
          hidden,
        );
      }
    }
  }
  return app;

  /** Queues know no transactions: what is asked for is noted before it is done. */
  async function note({ userId }: Operator, request: Request): Promise<void> {
    const subject = `${request.method} ${new URL(request.url).pathname.slice(`${basePath}/api`.length)}`;
    const actor = { via: "board", actorId: userId, trace: traceOf(request) } as const;
    await insertAct(api.db, { actor, act: { action: "board.used", subject: subject.slice(0, 500) } });
  }
}

function isPage(request: Request): boolean {
  return request.method === "GET" && !new URL(request.url).pathname.startsWith(`${basePath}/api/`);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
