import { Elysia, t } from "elysia";
import { insertActivity } from "../../db/activity.ts";
import { deleteIdentity, listIdentities, lockUser } from "../../db/identity.ts";
import type { Deps } from "../../deps.ts";
import { Fault } from "../../fault.ts";
import { postMail, writeSignInNotice } from "../accounts/mails.ts";
import { requireWholeCaller } from "../accounts/second-factor.ts";
import type { Api } from "../api.ts";
import { callers, requireCaller } from "../caller.ts";
import { confirmCaller } from "../sessions/service.ts";
import type { Caller } from "../tokens.ts";
import { bindBrowser } from "./cookies.ts";
import { beginFlow } from "./flow.ts";
import { Identities, Link, LinkBody, ProviderParams } from "./model.ts";
import type { OpenProvider } from "./providers.ts";

type Providers = Map<string, OpenProvider>;

/** The providers through which the caller signs in. */
export function identities(api: Api, providers: Providers) {
  return new Elysia({ prefix: "/v1/me/identities", tags: ["accounts"] })
    .use(callers(api))
    .onBeforeHandle(({ set }) => {
      set.headers["cache-control"] = "private, no-store";
    })
    .get(
      "",
      async ({ caller }) => ({
        items: (await listIdentities(api.db, requireCaller(caller).userId)).map(({ provider, email, createdAt }) => ({
          provider,
          name: providers.get(provider)?.name ?? provider,
          email,
          createdAt: createdAt.toISOString(),
        })),
      }),
      { response: { 200: Identities }, detail: { summary: "The providers that you can sign in through" } },
    )
    .post(
      "/:provider",
      async ({ caller, params, body, request, set }) => {
        const signedIn = requireCaller(caller);
        await requireWholeCaller(api, signedIn);
        const { userId, sessionId } = signedIn;
        if (sessionId === null) throw new Fault("not-allowed", "Not allowed: a token cannot link");
        const provider = getProvider(providers, params.provider);
        const { value, cookie } = bindBrowser(api, request);
        const returnTo = body?.returnTo ?? "/";
        const url = await beginFlow(api, { provider, binding: value, returnTo, link: { userId, sessionId } });
        set.headers["set-cookie"] = cookie;
        return { url: url.href };
      },
      {
        params: ProviderParams,
        body: t.Optional(LinkBody),
        response: { 200: Link },
        detail: { summary: "Begin to link a provider, in the browser that calls. Needs a fresh sign-in" },
      },
    )
    .delete(
      "/:provider",
      async ({ caller, params }) => {
        const signedIn = requireCaller(caller);
        await requireWholeCaller(api, signedIn);
        await unlink(api, { caller: signedIn, providers, id: params.provider });
        return new Response(null, { status: 204 });
      },
      {
        params: ProviderParams,
        detail: { summary: "Unlink a provider, unless you could not sign in without it. Needs a fresh sign-in" },
      },
    );
}

/** The provider of an address, or 404. */
export function getProvider(providers: Providers, id: string): OpenProvider {
  const provider = providers.get(id);
  if (!provider) throw new Fault("not-found", `There is no provider "${id}" here: GET /v1/auth/oidc lists them`);
  return provider;
}

/** Unlinks under a lock on the user, so that of two at the same moment the second sees what the first left. */
async function unlink(
  { db, publicUrl, mailbox }: Pick<Deps, "db" | "publicUrl" | "mailbox">,
  { caller, providers, id }: { caller: Caller; providers: Providers; id: string },
): Promise<void> {
  const { userId } = caller;
  const notice = await db.transaction(async (tx) => {
    const user = await lockUser(tx, userId);
    await confirmCaller(tx, caller);
    const linked = await listIdentities(tx, userId);
    if (!linked.some(({ provider }) => provider === id))
      throw new Fault("not-found", `There is nothing to unlink: "${id}" is not linked to your account`);
    // One whose provider is not configured any more signs nobody in.
    const others = linked.filter(({ provider }) => provider !== id && providers.has(provider));
    if (!user?.hasPassword && others.length === 0)
      throw new Fault(
        "conflict",
        "Cannot unlink: you could not sign in any more. Set a password or link another provider first",
        {
          extra: { reason: "last-way" },
        },
      );
    await deleteIdentity(tx, { userId, provider: id });
    await insertActivity(tx, { userId, kind: "provider-unlinked", subject: providers.get(id)?.name ?? id });
    return writeSignInNotice(tx, { base: publicUrl(), userId });
  });
  await postMail({ mailbox }, notice);
}
