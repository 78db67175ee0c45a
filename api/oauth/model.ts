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
    description:
      "authorization_code, urn:ietf:params:oauth:grant-type:device_code, refresh_token or client_credentials",
  }),
  code: t.Optional(t.String()),
  redirect_uri: t.Optional(t.String({ description: "Of a code: as it was asked for" })),
  code_verifier: t.Optional(t.String({ description: "Of a code: PKCE (RFC 7636)" })),
  device_code: t.Optional(t.String()),
  refresh_token: t.Optional(t.String()),
  scope: Scope,
});
const Tokens = t.Object({
  access_token: t.String(),
  token_type: t.Literal("Bearer"),
  expires_in: t.Integer({ description: "Seconds" }),
  refresh_token: t.Optional(t.String()),
  id_token: t.Optional(t.String({ description: "For the scope openid" })),
  scope: t.String(),
});
const UserInfo = t.Object(
  {
    sub: t.String({ description: "The user's id: it does not change" }),
    name: t.Optional(t.String()),
    preferred_username: t.Optional(t.String({ description: "His login" })),
    picture: t.Optional(t.String()),
    locale: t.Optional(t.String()),
    zoneinfo: t.Optional(t.String()),
    email: t.Optional(t.String()),
    email_verified: t.Optional(t.Boolean()),
    selectedProfile: t.Optional(
      t.Object({ id: t.String(), name: t.String() }, { description: "The player chosen for this client" }),
    ),
  },
  { description: "What the token's scopes show" },
);
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
export const DiscoveryDocument = { ...MetadataDocument, summary: "The same for OpenID Connect (Discovery 1.0)" };
export const BeginDocument = {
  summary: "Begin to sign a device in by a code (RFC 8628)",
  requestBody: form(Begin),
  responses: describe({ 200: Begun, 400: Refusal, 401: Refusal, 429: Refusal }),
};
export const TokenDocument = {
  summary: "Tokens for a code, an approved device code, a refresh token, or a service's secret",
  requestBody: form(Token),
  responses: describe({ 200: Tokens, 400: Refusal, 401: Refusal, 429: Refusal }),
};
export const RevokeDocument = {
  summary: "End the session of a token (RFC 7009)",
  requestBody: form(Revoke),
  responses: describe({ 200: t.Object({}), 400: Refusal, 401: Refusal }),
};
const parameter = (name: string, description: string, required = false) => ({
  name,
  in: "query" as const,
  description,
  required,
  schema: { type: "string" as const },
});
export const AuthorizeDocument = {
  summary:
    "Sign a person in with his browser: a page, then 303 to redirect_uri (RFC 6749, 4.1; OpenID Connect Core 1.0)",
  parameters: [
    parameter("client_id", "A client of OAUTH_CLIENTS", true),
    parameter("redirect_uri", "One of its addresses, to the letter; on loopback with any port", true),
    parameter("response_type", "code", true),
    parameter("code_challenge", "PKCE", true),
    parameter("code_challenge_method", "S256", true),
    parameter("scope", "Separated by blanks; all that the client may have when left out"),
    parameter("state", "Comes back as it is"),
    parameter("nonce", "Stands in the ID token"),
    parameter("prompt", "none, login, consent, select_account"),
    parameter("max_age", "Seconds since he gave his password"),
    parameter("id_token_hint", "An ID token of whom the client means"),
    parameter("login_hint", "Stands in the form"),
    parameter("ui_locales", "en, ru"),
  ],
};
export const LogoutDocument = {
  summary: "Sign a person out: a page that asks, then 303 (OpenID Connect RP-Initiated Logout 1.0)",
  parameters: [
    parameter("id_token_hint", "The ID token of the session that is to end"),
    parameter("client_id", "Needed without a hint"),
    parameter("post_logout_redirect_uri", "One of the client's addresses"),
    parameter("state", "Comes back as it is"),
  ],
};
export const UserInfoDocument = {
  summary: "Who the token's user is (OpenID Connect Core 1.0, 5.3)",
  responses: describe({ 200: UserInfo }),
};
