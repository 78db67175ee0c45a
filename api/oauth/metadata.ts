import { identityScopes, scopes } from "../scopes.ts";
import { claimNames } from "./claims.ts";
import type { Clients } from "./clients.ts";

export const deviceGrantType = "urn:ietf:params:oauth:grant-type:device_code";

/** RFC 8414, 2; OpenID Connect Discovery 1.0, 3; RFC 9207, 3; `shared_client_id` of Yggdrasil Connect: both documents are the same. */
export function describeServer(issuer: string, { sharedId }: Pick<Clients, "sharedId">) {
  const authentication = ["none", "client_secret_basic", "client_secret_post"];
  return {
    issuer,
    authorization_endpoint: `${issuer}/oauth/authorize`,
    token_endpoint: `${issuer}/oauth/token`,
    userinfo_endpoint: `${issuer}/oauth/userinfo`,
    device_authorization_endpoint: `${issuer}/oauth/device_authorization`,
    revocation_endpoint: `${issuer}/oauth/revoke`,
    end_session_endpoint: `${issuer}/oauth/logout`,
    jwks_uri: `${issuer}/.well-known/jwks.json`,
    scopes_supported: [...scopes, ...identityScopes],
    claims_supported: claimNames,
    response_types_supported: ["code"],
    response_modes_supported: ["query"],
    grant_types_supported: ["authorization_code", deviceGrantType, "refresh_token", "client_credentials"],
    subject_types_supported: ["public"],
    id_token_signing_alg_values_supported: ["RS256", "EdDSA"],
    code_challenge_methods_supported: ["S256"],
    prompt_values_supported: ["none", "login", "consent", "select_account"],
    token_endpoint_auth_methods_supported: authentication,
    revocation_endpoint_auth_methods_supported: authentication,
    authorization_response_iss_parameter_supported: true,
    claims_parameter_supported: false,
    request_parameter_supported: false,
    request_uri_parameter_supported: false,
    ui_locales_supported: ["en", "ru"],
    service_documentation: `${issuer}/openapi`,
    ...(sharedId !== undefined && { shared_client_id: sharedId }),
  };
}
