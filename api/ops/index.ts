import { Elysia } from "elysia";
import { Fault } from "../../fault.ts";
import type { Api } from "../api.ts";
import { readText } from "../limits.ts";
import { originOf } from "../origin.ts";
import { addressAllowance, signInAllowances } from "../sign-in-limits.ts";
import { audit } from "./audit.ts";
import { images } from "./images.ts";
import { integrity } from "./integrity.ts";
import { jobPage } from "./job-page.ts";
import { operatedJobs } from "./jobs.ts";
import { logs } from "./logs.ts";
import { requireSameOrigin, signInOperator, signOutOperator } from "./operators.ts";
import { pickLanguage, signInPage, signOutPage } from "./pages.ts";
import { queues } from "./queues.ts";
import { sweep } from "./sweep.ts";

const maxFormBytes = 4_096;
const hidden = { detail: { hide: true } };

/** What operators look at: the queues, and the page on which they sign in. */
export function ops(api: Api) {
  const { config, rateLimits } = api;
  return new Elysia()
    .use(queues(api))
    .use(sweep(api))
    .use(integrity(api))
    .use(logs(api))
    .use(jobPage(api))
    .use(images(api))
    .use(operatedJobs(api))
    .use(audit(api))
    .get("/ops", () => redirect("/ops/queues"), hidden)
    .get("/ops/sign-in", ({ request }) => signInPage({ language: pickLanguage(request) }), hidden)
    .post(
      "/ops/sign-in",
      ({ request, server }) => signIn(request, api.addressOf(request, server?.requestIP(request)?.address)),
      hidden,
    )
    .get("/ops/sign-out", ({ request }) => signOutPage(pickLanguage(request)), hidden)
    .post(
      "/ops/sign-out",
      async ({ request }) => {
        requireSameOrigin(api, request);
        return redirect("/ops/sign-in", await signOutOperator(api, request));
      },
      hidden,
    );

  // A refused sign-in is a page again, not a problem document: a person reads it.
  async function signIn(request: Request, address: string): Promise<Response> {
    requireSameOrigin(api, request);
    const form = new URLSearchParams(await readText(request, maxFormBytes));
    const [login = "", password = "", code = ""] = ["login", "password", "code"].map((name) => form.get(name) ?? "");
    try {
      const guess = { login, address };
      await rateLimits.take([addressAllowance(config, address), ...signInAllowances(config, guess)]);
      return redirect("/ops/queues", await signInOperator(api, { login, password, code }, originOf(request, address)));
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      return signInPage(
        { language: pickLanguage(request), problem: String(error.extra.reason ?? error.code), login },
        error.status,
      );
    }
  }
}

function redirect(location: string, cookie?: string): Response {
  return new Response(null, {
    status: 303,
    headers: { location, "cache-control": "no-store", ...(cookie !== undefined && { "set-cookie": cookie }) },
  });
}
