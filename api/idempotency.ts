import { findKeptAnswer, keepAnswer, releaseKey, takeKey } from "../db/idempotency.ts";
import type { Db } from "../db/query.ts";
import { Fault } from "../fault.ts";
import type { Caller } from "./tokens.ts";

/** What a creating POST answers: a status, a JSON body and headers such as Location. */
export type Answer = { status: number; body: unknown; headers?: Record<string, string> };

type Once = { db: Db; request: Request; caller: Caller; body: unknown };

/**
 * Answers a creating POST, and the same POST again with the same answer, for 24 hours, when the caller sent an
 * `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header). Another body under the same key is 422, one still in
 * flight 409. A refused request keeps nothing: it may be mended and sent again.
 */
export async function answerOnce({ db, request, caller, body }: Once, work: () => Promise<Answer>): Promise<Response> {
  const key = request.headers.get("idempotency-key");
  if (key === null) return toResponse(await work());
  if (key.length === 0 || key.length > 255)
    throw new Fault("malformed", "Cannot use the Idempotency-Key: it has 1 to 255 characters");
  const route = `${request.method} ${new URL(request.url).pathname}`;
  const digest = new Bun.CryptoHasher("sha256").update(`${route}\n${JSON.stringify(body ?? null)}`).digest("hex");
  const id = { caller: caller.userId, key };
  if ((await takeKey(db, { ...id, route, digest })) === 0) {
    const kept = await findKeptAnswer(db, id);
    if (kept && kept.digest !== digest)
      throw new Fault("key-reused", "Cannot use the Idempotency-Key: it was used for another request");
    if (kept?.status == null)
      throw new Fault("conflict", "The same request is being answered at this moment: ask again", {
        retryAfterSeconds: 1,
      });
    return new Response(kept.body, {
      status: kept.status,
      headers: { ...kept.headers, "idempotency-replayed": "true" },
    });
  }
  let answer: Answer;
  try {
    answer = await work();
  } catch (error) {
    await releaseKey(db, id);
    throw error;
  }
  const response = toResponse(answer);
  await keepAnswer(db, {
    ...id,
    status: answer.status,
    headers: Object.fromEntries(response.headers),
    body: JSON.stringify(answer.body),
  });
  return response;
}

/** A JSON answer that no cache keeps. */
export function toResponse({ status, body, headers = {} }: Answer): Response {
  return new Response(JSON.stringify(body), {
    status,
    headers: { "content-type": "application/json", "cache-control": "private, no-store", ...headers },
  });
}
