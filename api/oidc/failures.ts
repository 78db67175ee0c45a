import { AuthorizationResponseError } from "openid-client";
import { Fault } from "../../fault.ts";
import type { Log } from "../../log.ts";

type Told = { provider: { id: string; name: string }; log: Log };
type Facts = { message: string; code?: string; error?: string; description?: string; status?: number };

/** Errors by which a provider says that it does not know us (RFC 6749, 5.2 and 4.1.2.1): the operator has to mend something. */
const unknownClient = ["invalid_client", "unauthorized_client", "invalid_scope", "unsupported_response_type"];

/**
 * Turns what went wrong with a provider into a fault: 403 when the person declined, 503 when it is away or does not know
 * us, 400 for an answer that proves nothing. The log is told why, without the codes and tokens that errors carry along.
 */
export function explainFailure(error: unknown, { provider, log }: Told): never {
  if (error instanceof AuthorizationResponseError && error.error === "access_denied")
    throw new Fault("not-allowed", `Cannot sign in through ${provider.name}: it was declined there`, {
      extra: { reason: "declined" },
    });
  const facts = listFacts(error);
  log.warn({ provider: provider.id, causes: facts }, "a sign-in through a provider failed");
  if (facts.some((fact) => fact.error !== undefined && unknownClient.includes(fact.error)))
    throw new Fault(
      "unavailable",
      `Cannot sign in through ${provider.name}: it does not accept this server. Tell the operator`,
      {
        extra: { reason: "misconfigured" },
      },
    );
  if (isAway(error))
    throw new Fault(
      "unavailable",
      `Cannot sign in through ${provider.name}: it does not answer. Try again in a moment`,
      {
        extra: { reason: "provider-away" },
      },
    );
  throw new Fault(
    "malformed",
    `Cannot sign in through ${provider.name}: its answer does not belong to this sign-in. Begin again`,
    { extra: { reason: "refused" } },
  );
}

/** A connection that failed, somewhere in the chain of causes, or an error of the provider's own (5xx). */
function isAway(error: unknown): boolean {
  return listCauses(error).some(
    (cause) =>
      cause instanceof Fault ||
      (cause instanceof Response && cause.status >= 500) ||
      listFacts(cause).some(
        ({ code, status = 0 }) => status >= 500 || code === "OAUTH_TIMEOUT" || code === "OAUTH_ABORT",
      ),
  );
}

function listFacts(error: unknown): Facts[] {
  return listCauses(error).flatMap((cause) => {
    if (!(cause instanceof Error)) return [];
    const members = Object.entries({ ...cause });
    const text = (name: string) =>
      members.flatMap(([key, value]) => (key === name && typeof value === "string" ? [value] : []))[0];
    const [code, wrong, description] = [text("code"), text("error"), text("error_description")];
    const status = "status" in cause && typeof cause.status === "number" ? cause.status : undefined;
    return [
      {
        message: cause.message,
        ...(code !== undefined && { code }),
        ...(wrong !== undefined && { error: wrong }),
        ...(description !== undefined && { description: description.slice(0, 200) }),
        ...(status !== undefined && { status }),
      },
    ];
  });
}

/** An error and what caused it, five deep. */
function listCauses(error: unknown, depth = 5): unknown[] {
  if (depth === 0 || error === undefined) return [];
  return [error, ...(error instanceof Error ? listCauses(error.cause, depth - 1) : [])];
}
