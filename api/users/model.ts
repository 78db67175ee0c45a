import { Type as t } from "@sinclair/typebox";
import { PageQuery } from "../pages.ts";

const strict = { additionalProperties: false } as const;
const Time = t.String({ description: "RFC 3339" });
const MaybeTime = t.Union([Time, t.Null()]);

/** What an account may do besides what everybody who signed in may. */
export const roles = ["author", "organizer", "ops", "admin"] as const;

/** An id, or a login in any case. */
export const UserParams = t.Object({ id: t.String({ pattern: "^[A-Za-z0-9][A-Za-z0-9_.-]{1,35}$" }) });
export const UserQuery = t.Object({ query: t.Optional(t.String({ maxLength: 200 })), ...PageQuery }, strict);

export const UserChange = t.Object(
  {
    roles: t.Optional(
      t.Array(t.Unsafe<(typeof roles)[number]>(t.Union(roles.map((role) => t.Literal(role)))), {
        maxItems: roles.length,
        uniqueItems: true,
      }),
    ),
    disabled: t.Optional(t.Boolean({ description: "true ends every session and token" })),
    deleted: t.Optional(t.Literal(false, { description: "Brings an account back that its user deleted" })),
  },
  { additionalProperties: false, minProperties: 1 },
);
export type UserChange = typeof UserChange.static;

export const ManagedUser = t.Object({
  id: t.String(),
  login: t.String(),
  displayName: t.String(),
  email: t.Union([t.String(), t.Null()]),
  emailVerified: t.Boolean(),
  roles: t.Array(t.String()),
  secondFactor: t.Boolean(),
  createdAt: Time,
  disabledAt: MaybeTime,
  deletedAt: MaybeTime,
  eraseAfter: MaybeTime,
});
export type ManagedUser = typeof ManagedUser.static;
export const ManagedUsers = t.Object({ items: t.Array(ManagedUser), nextCursor: t.Union([t.String(), t.Null()]) });
export const ManagedUserParams = t.Object({ id: t.String({ format: "uuid" }) });
