import { t } from "elysia";

const Time = t.String({ description: "RFC 3339" });

export const SessionParams = t.Object({ id: t.String({ format: "uuid" }) });
export const EndQuery = t.Object({ except: t.Optional(t.Literal("current")) }, { additionalProperties: false });
export const VerifyQuery = t.Object(
  { role: t.Optional(t.String({ pattern: "^[a-z]{1,32}$" })) },
  { additionalProperties: false },
);

export const Session = t.Object({
  id: t.String(),
  kind: t.Union([t.Literal("web"), t.Literal("launcher"), t.Literal("cli"), t.Literal("service")]),
  device: t.String({ description: "In its own words (User-Agent)" }),
  address: t.String(),
  client: t.Union([t.String(), t.Null()]),
  scopes: t.Union([t.Array(t.String()), t.Null()], { description: "null: everything that the user may do" }),
  current: t.Boolean(),
  createdAt: Time,
  usedAt: Time,
  expiresAt: Time,
  endedAt: t.Optional(Time),
  endedReason: t.Optional(t.String()),
});
export type Session = typeof Session.static;
export const Sessions = t.Object({ items: t.Array(Session) });
export const Ended = t.Object({ ended: t.Integer({ description: "How many sessions" }) });
