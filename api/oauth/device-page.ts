import { Elysia } from "elysia";
import { claimDeviceGrant, findWaitingGrant, settleDeviceGrant } from "../../db/device-grant.ts";
import { listPlayers } from "../../db/player.ts";
import { hashToken } from "../../digest.ts";
import { Fault } from "../../fault.ts";
import { makeSecret } from "../../keys.ts";
import { requireSecondFactor } from "../accounts/second-factor.ts";
import { checkPassword } from "../accounts/service.ts";
import type { Api } from "../api.ts";
import { pickLanguage } from "../html-page.ts";
import { type Cookie, readCookie, writeCookie } from "../oidc/cookies.ts";
import { requireSameOrigin } from "../ops/operators.ts";
import { addressAllowance, signInAllowances } from "../sign-in-limits.ts";
import { asksForPlayer } from "./authorize.ts";
import type { Clients } from "./clients.ts";
import { type Form, readForm } from "./form.ts";
import { consentPage, entryPage, type PageProblem, settledPage } from "./pages.ts";
import { readUserCode, showUserCode } from "./user-code.ts";
import { endVisit, findVisitor } from "./visitor.ts";
import { openWrongCodes } from "./wrong-codes.ts";

const hidden = { detail: { hide: true } };

/**
 * The page /device (RFC 8628, 3.3): a person signs in, sees what asks, and decides. It leaves no session behind: a cookie
 * binds the question to the browser that was shown it, and with Origin it is what nobody else's page can send (CSRF).
 * No code is taken from the address: a link with a code in it is what phishers send (RFC 8628, 5.4).
 */
export function devicePage(api: Api, clients: Clients) {
  const wrongCodes = openWrongCodes(api.rateLimits);
  const maxAgeSeconds = api.config.DEVICE_EXPIRES_SECONDS;
  const question: Cookie = { name: "sunduk_device", path: "/device", sameSite: "Strict", maxAgeSeconds };
  const providers = api.config.OIDC_PROVIDERS.map(({ id, name = id }) => ({ id, name }));
  return new Elysia()
    .get(
      "/device",
      async ({ request }) => {
        const visitor = await findVisitor(api, request);
        return entryPage({ language: pickLanguage(request), providers, visitor: visitor?.user.login });
      },
      hidden,
    )
    .post(
      "/device",
      async ({ request, server }) => {
        requireSameOrigin(api, request);
        const form = await readForm(request);
        const action = form.get("action");
        if (action === "approve") return settle(request, { state: "approved", playerId: form.get("player") ?? null });
        if (action === "deny") return settle(request, { state: "denied", playerId: null });
        return look(request, { form, address: api.addressOf(request, server?.requestIP(request)?.address) });
      },
      hidden,
    );

  /** Signs in and shows the question. A refusal is the page again, not a problem document: a person reads it. */
  async function look(request: Request, { form, address }: { form: Form; address: string }): Promise<Response> {
    const language = pickLanguage(request);
    const given = { userCode: form.get("user_code") ?? "", login: form.get("login") ?? "" };
    // A login that is typed says who it shall be, whoever came back from a provider before.
    const visitor = given.login === "" ? await findVisitor(api, request) : undefined;
    const again = (problem: PageProblem, status: number) =>
      entryPage({ language, problem, providers, visitor: visitor?.user.login, ...given }, status);
    try {
      const guesses = visitor ? [] : signInAllowances(api.config, { login: given.login, address });
      await api.rateLimits.take([addressAllowance(api.config, address), ...guesses]);
      wrongCodes.check(address);
      const user =
        visitor?.user ?? (await checkPassword(api, { login: given.login, password: form.get("password") ?? "" }));
      const userCode = readUserCode(given.userCode);
      const waiting = userCode === undefined ? undefined : await findWaitingGrant(api.db, hashToken(userCode));
      if (userCode === undefined || !waiting) {
        await wrongCodes.count(address);
        return again("wrong-code", 404);
      }
      // Not before: a code of the second factor works once, and would be lost to a wrong user code.
      // A visitor has given one on his way.
      if (!visitor) await requireSecondFactor(api, { user, code: form.get("code") });
      const secret = makeSecret();
      const { id: userId, login, passwordChanges } = user;
      const grant = await claimDeviceGrant(api.db, {
        id: waiting.id,
        userId,
        passwordChanges,
        confirmHash: hashToken(secret),
      });
      if (!grant) return again("gone", 404);
      const cookie = writeCookie(api, question, `${waiting.id}.${secret}`);
      const client = clients.nameOf(grant.clientId);
      const players = asksForPlayer(grant) ? await listPlayers(api.db, userId) : undefined;
      return consentPage({ language, login, client, userCode: showUserCode(userCode), grant, players, cookie });
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      return again(toProblem(error), error.status);
    }
  }

  type Decision = { state: "approved" | "denied"; playerId: string | null };

  async function settle(request: Request, { state, playerId }: Decision): Promise<Response> {
    const language = pickLanguage(request);
    const [id = "", secret = ""] =
      /^([0-9a-f-]{36})\.([\w-]{43})$/.exec(readCookie(api, question, request) ?? "")?.slice(1) ?? [];
    const player = playerId !== null && isId(playerId) ? playerId : null;
    const decision = { id, confirmHash: hashToken(secret), state, playerId: player };
    const settled = id && (await settleDeviceGrant(api.db, decision));
    if (!settled) return entryPage({ language, problem: "gone", providers }, 404);
    const visitor = await findVisitor(api, request);
    const cookies = [writeCookie(api, question, ""), ...(visitor ? [await endVisit(api, visitor)] : [])];
    return settledPage({ language, state, cookies });
  }
}

function isId(text: string): boolean {
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text);
}

function toProblem({ code, extra }: Fault): PageProblem {
  if (extra.reason === "second-factor") return "second-factor";
  return code === "not-signed-in" || code === "too-many" ? code : "failed";
}
