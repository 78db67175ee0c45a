import { type Static, Type as t } from "@sinclair/typebox";
import { Elysia } from "elysia";
import type { Api } from "../api.ts";
import { callers, requireCaller } from "../caller.ts";
import { Code } from "./model.ts";
import { beginSecondFactor, confirmSecondFactor, removeSecondFactor } from "./second-factor.ts";

const Begun = t.Object({
  secret: t.String({ description: "Base32, to be typed into an authenticator app; shown once" }),
  uri: t.String({ description: "otpauth://, to be shown as a QR code" }),
});
const Given = t.Object(
  { code: Code, endOthers: t.Optional(t.Boolean({ description: "End all other sessions" })) },
  { additionalProperties: false },
);
const Confirmed = t.Object({
  recoveryCodes: t.Array(t.String(), { description: "Each is good once in place of a code; shown once" }),
  ended: t.Integer({ description: "How many other sessions" }),
});

/** The second factor of one's own account. */
export function secondFactor(api: Api) {
  return new Elysia({ prefix: "/v1/me/totp", tags: ["accounts"] })
    .use(callers(api))
    .onBeforeHandle(({ set }) => {
      set.headers["cache-control"] = "private, no-store";
    })
    .post("", async ({ caller, status }) => status(201, await beginSecondFactor(api, requireCaller(caller))), {
      response: { 201: Begun },
      detail: { summary: "Begin a second factor: a secret for an authenticator app. Needs a fresh sign-in" },
    })
    .post(
      "/confirm",
      ({ caller, body: { code, endOthers = false } }): Promise<Static<typeof Confirmed>> =>
        confirmSecondFactor(api, { caller: requireCaller(caller), code, endOthers }),
      {
        body: Given,
        response: { 200: Confirmed },
        detail: { summary: "Confirm the second factor with a code of the app; answers ten recovery codes" },
      },
    )
    .delete(
      "",
      async ({ caller, body: { code, endOthers = false } }) => {
        await removeSecondFactor(api, { caller: requireCaller(caller), code, endOthers });
        return new Response(null, { status: 204 });
      },
      {
        body: Given,
        detail: { summary: "Remove the second factor, for a code of it or a recovery code. Needs a fresh sign-in" },
      },
    );
}
