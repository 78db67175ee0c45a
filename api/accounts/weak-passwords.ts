import { Fault } from "../../fault.ts";

/**
 * 422 for a password that is among the 49,000 most common ones (the list of zxcvbn-ts, whatever the case of letters), or
 * is the login or the address of its account. Nothing is trimmed or cut off before.
 */
export async function refuseWeakPassword(
  password: string,
  { login, email = null }: { login: string; email?: string | null },
): Promise<void> {
  const folded = password.toLowerCase();
  const own = [login, email, email?.split("@")[0]].some((name) => name?.toLowerCase() === folded);
  // 49,000 lines are read when somebody first chooses a password, not when the process starts.
  const { dictionary } = await import("@zxcvbn-ts/language-common");
  if (!own && !dictionary["passwords-common"].includes(folded)) return;
  const detail = own ? "it is your login or address" : "it is one of the most common ones";
  throw new Fault("invalid", `Cannot use this password: ${detail}. Choose another`, {
    errors: [{ pointer: "/password", detail }],
    extra: { reason: "weak-password" },
  });
}
