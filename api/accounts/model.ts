import { Type as t } from "@sinclair/typebox";

export const Login = t.String({
  pattern: "^[A-Za-z0-9][A-Za-z0-9_.-]{1,31}$",
  description: "2 to 32 letters, digits and _ . -; upper and lower case are one",
});
export const Password = t.String({ minLength: 8, maxLength: 256 });

export const Email = t.String({ format: "email", maxLength: 254 });
/** Of a link that was mailed: what stands behind the #. */
export const LinkToken = t.String({ minLength: 1, maxLength: 100 });

export const Register = t.Object(
  {
    login: Login,
    email: t.Optional(Email),
    password: Password,
    invite: t.Optional(t.String({ maxLength: 64, description: "Needed where registration is by invitation" })),
  },
  { additionalProperties: false },
);
/** Of an authenticator app (six digits) or a recovery code; spaces and - do not count. */
export const Code = t.String({
  minLength: 6,
  maxLength: 40,
  description: "Of the authenticator app, or a recovery code",
});
export const SignIn = t.Object(
  {
    login: t.String({ minLength: 1, maxLength: 254 }),
    password: t.String({ minLength: 1, maxLength: 256 }),
    code: t.Optional(Code),
  },
  { additionalProperties: false },
);
export const Refresh = t.Object(
  { refreshToken: t.String({ minLength: 1, maxLength: 500 }) },
  { additionalProperties: false },
);

export const SignedIn = t.Object({
  user: t.Object({ id: t.String(), login: t.String(), roles: t.Array(t.String()) }),
  accessToken: t.String(),
  refreshToken: t.String(),
  expiresInSeconds: t.Integer(),
});
export type SignedIn = typeof SignedIn.static;
