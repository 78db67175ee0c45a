import { type Static, type TSchema, Type as t } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import type { Config } from "./config.ts";
import { Fault } from "./fault.ts";

/** What the Bot API answers (core.telegram.org/bots/api, "Making requests"). */
const Refusal = t.Object({
  ok: t.Literal(false),
  error_code: t.Integer(),
  parameters: t.Optional(t.Object({ retry_after: t.Optional(t.Number()) })),
});

const Success = t.Object({ ok: t.Literal(true), result: t.Unknown() });

export type BotAnswer<Result> =
  | { ok: true; result: Result }
  | { ok: false; status: number; retryAfterSeconds: number | undefined };

const timeoutMs = 15_000;

/**
 * Calls a method of the Bot API. The token is part of the address: it is in no error and no log line. Throws Fault
 * `unavailable` when nobody answers, or not as Telegram does.
 */
export async function callBot<Result extends TSchema>(
  { TELEGRAM_BOT_TOKEN: token, TELEGRAM_URL: base }: Pick<Config, "TELEGRAM_BOT_TOKEN" | "TELEGRAM_URL">,
  method: string,
  { parameters, result, signal }: { parameters: object; result: Result; signal?: AbortSignal },
): Promise<BotAnswer<Static<Result>>> {
  const limit = AbortSignal.timeout(timeoutMs);
  let answer: unknown;
  try {
    const response = await fetch(`${base}/bot${token}/${method}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(parameters),
      redirect: "error",
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
    });
    answer = await response.json();
  } catch {
    throw new Fault("unavailable", "Cannot reach Telegram: it does not answer");
  }
  if (Value.Check(Refusal, answer))
    return { ok: false, status: answer.error_code, retryAfterSeconds: answer.parameters?.retry_after };
  if (!Value.Check(Success, answer) || !Value.Check(result, answer.result))
    throw new Fault("unavailable", "Cannot use the answer of Telegram: it is not one");
  return { ok: true, result: answer.result };
}
