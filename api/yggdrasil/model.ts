import { Type as t } from "@sinclair/typebox";

// Launchers send null where they have nothing, and more than anybody reads.
const Maybe = <Schema extends ReturnType<typeof t.String> | ReturnType<typeof t.Boolean>>(schema: Schema) =>
  t.Optional(t.Union([schema, t.Null()]));

const ClientToken = Maybe(t.String({ maxLength: 256 }));
// Also one of another server, whatever its length: it is refused as what it is.
const AccessToken = t.String();
const RequestUser = Maybe(t.Boolean());

export const Credentials = t.Object({
  username: t.String({ maxLength: 254 }),
  password: t.String({ maxLength: 256 }),
});
export type Credentials = typeof Credentials.static;

export const Authenticate = t.Object({
  ...Credentials.properties,
  clientToken: ClientToken,
  requestUser: RequestUser,
});
export type Authenticate = typeof Authenticate.static;

export const Refresh = t.Object({
  accessToken: AccessToken,
  clientToken: ClientToken,
  requestUser: RequestUser,
  selectedProfile: t.Optional(t.Union([t.Object({ id: t.String({ maxLength: 64 }) }), t.Null()])),
});
export type Refresh = typeof Refresh.static;

export const Validate = t.Object({ accessToken: AccessToken, clientToken: ClientToken });
export type Validate = typeof Validate.static;

export const Join = t.Object({
  accessToken: AccessToken,
  selectedProfile: t.String({ maxLength: 64 }),
  serverId: t.String({ minLength: 1, maxLength: 128 }),
});
export type Join = typeof Join.static;

/** Names to be looked up: as many as an answer holds. */
export const Names = t.Array(t.String({ maxLength: 64 }), { maxItems: 100 });
