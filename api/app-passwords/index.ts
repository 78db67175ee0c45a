import { Elysia } from "elysia";
import type { Api } from "../api.ts";
import { callers, requireCaller } from "../caller.ts";
import { AppPasswordParams, AppPasswords, MadeAppPassword, NewAppPassword } from "./model.ts";
import { createAppPassword, listOwnAppPasswords, removeAppPassword } from "./service.ts";

const closed = { "cache-control": "private, no-store" };

/** Passwords for launchers that know only names and passwords. */
export function appPasswords(api: Api) {
  return new Elysia({ prefix: "/v1/me/app-passwords", tags: ["me"] })
    .use(callers(api))
    .get(
      "",
      async ({ caller, set }) => {
        Object.assign(set.headers, closed);
        return { items: await listOwnAppPasswords(api, requireCaller(caller)) };
      },
      { response: { 200: AppPasswords }, detail: { summary: "Your app passwords, newest first" } },
    )
    .post(
      "",
      async ({ body, caller, set, status }) => {
        // No Idempotency-Key: an answer that is kept for being repeated would keep the password.
        const made = await createAppPassword(api, { caller: requireCaller(caller), ...body });
        Object.assign(set.headers, closed, { location: `/v1/me/app-passwords/${made.id}` });
        return status(201, made);
      },
      {
        body: NewAppPassword,
        response: { 201: MadeAppPassword },
        detail: { summary: "Make a password for a launcher that knows only names and passwords, shown once" },
      },
    )
    .delete(
      "/:id",
      async ({ params, caller, status }) => {
        await removeAppPassword(api, { caller: requireCaller(caller), id: params.id });
        return status(204, undefined);
      },
      { params: AppPasswordParams, detail: { summary: "Delete an app password, and end what was opened with it" } },
    );
}
