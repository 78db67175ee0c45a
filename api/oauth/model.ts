import type { TSchema } from "@sinclair/typebox";
import { t } from "elysia";
import { describe } from "../describe.ts";

const Client = {
  client_id: t.Optional(t.String({ description: "Not needed with an Authorization header" })),
  client_secret: t.Optional(t.String({ description: "Of a service" })),
};
const Scope = t.Optional(t.String({ description: "Separated by blanks; all that the client may have when left out" }));

const Begin = t.Object({ ...Client, scope: Scope, device_name: t.Optional(t.String({ maxLength: 80 })) });
const Begun = t.Object({
  device_code: t.String(),
  user_code: t.String({ description: "XXXX-XXXX, to be shown" }),
  verification_uri: t.String({ description: "Where the user types the code" }),
  expires_in: t.Integer({ description: "Seconds" }),
  interval: t.Integer({ description: "Seconds between two polls" }),
});
const Token = t.Object({
  ...Client,
  grant_type: t.String({
    description: "urn:ietf:params:oauth:grant-type:device_code, refresh_token or client_credentials",
  }),
  device_code: t.Optional(t.String()),
  refresh_token: t.Optional(t.String()),
  scope: Scope,
});
const Tokens = t.Object({
  access_token: t.String(),
  token_type: t.Literal("Bearer"),
  expires_in: t.Integer({ description: "Seconds" }),
  refresh_token: t.Optional(t.String()),
  scope: t.String(),
});
const Revoke = t.Object({ ...Client, token: t.String(), token_type_hint: t.Optional(t.String()) });
const Refusal = t.Object({
  error: t.String({ description: "RFC 6749, 5.2; RFC 8628, 3.5" }),
  error_description: t.String(),
});

/** A form in the OpenAPI document: these routes read their bodies themselves. */
function form(schema: TSchema) {
  return {
    required: true,
    content: { "application/x-www-form-urlencoded": { schema: JSON.parse(JSON.stringify(schema)) } },
  };
}

export const MetadataDocument = {
  summary: "What this server can do as an authorization server (RFC 8414)",
  responses: describe({ 200: t.Object({ issuer: t.String(), token_endpoint: t.String() }) }),
};
export const BeginDocument = {
  summary: "Begin to sign a device in by a code (RFC 8628)",
  requestBody: form(Begin),
  responses: describe({ 200: Begun, 400: Refusal, 401: Refusal, 429: Refusal }),
};
export const TokenDocument = {
  summary: "Tokens for an approved device code, a refresh token, or a service's secret",
  requestBody: form(Token),
  responses: describe({ 200: Tokens, 400: Refusal, 401: Refusal, 429: Refusal }),
};
export const RevokeDocument = {
  summary: "End the session of a token (RFC 7009)",
  requestBody: form(Revoke),
  responses: describe({ 200: t.Object({}), 400: Refusal, 401: Refusal }),
};
