import { AuthorizationResponseError } from "openid-client";
import { Fault } from "../../fault.ts";

/** Turns what went wrong with a provider into a fault: 403 when the person declined, 503 when it is away, 400 for an answer that proves nothing. */
export function explainFailure(error: unknown, provider: string): never {
  if (error instanceof AuthorizationResponseError && error.error === "access_denied")
    throw new Fault("not-allowed", `Cannot sign in through ${provider}: it was declined there`, {
      cause: error,
      extra: { reason: "declined" },
    });
  if (isAway(error))
    throw new Fault("unavailable", `Cannot sign in through ${provider}: it does not answer. Try again in a moment`, {
      cause: error,
      extra: { reason: "provider-away" },
    });
  throw new Fault(
    "malformed",
    `Cannot sign in through ${provider}: its answer does not belong to this sign-in. Begin again`,
    {
      cause: error,
      extra: { reason: "refused" },
    },
  );
}

/** A connection that failed, somewhere in the chain of causes, or an error of the provider's own (5xx). */
function isAway(error: unknown, depth = 0): boolean {
  if (error instanceof Fault) return true;
  if (!(error instanceof Error) || depth > 4) return false;
  if ("status" in error && Number(error.status) >= 500) return true;
  if ("code" in error && (error.code === "OAUTH_TIMEOUT" || error.code === "OAUTH_ABORT")) return true;
  return (error.cause instanceof Response && error.cause.status >= 500) || isAway(error.cause, depth + 1);
}
