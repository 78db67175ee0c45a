import { Type as t } from "@sinclair/typebox";
import { Line } from "../me/model.ts";

const Time = t.String({ description: "RFC 3339" });
const MaybeTime = (description: string) => t.Union([Time, t.Null()], { description });

export const NewAppPassword = t.Object(
  {
    name: Line({ minLength: 1, maxLength: 100, description: "By which you will know it" }),
    expiresAt: t.Optional(t.String({ format: "date-time", description: "RFC 3339; never when not given" })),
  },
  { additionalProperties: false },
);
export type NewAppPassword = typeof NewAppPassword.static;

export const AppPassword = t.Object({
  id: t.String(),
  name: t.String(),
  createdAt: Time,
  expiresAt: MaybeTime("Null: it holds until it is deleted"),
  usedAt: MaybeTime("Last use, to the minute"),
});
export type AppPassword = typeof AppPassword.static;
export const MadeAppPassword = t.Object({
  ...AppPassword.properties,
  password: t.String({ description: "Shown only now. Case, blanks and hyphens do not matter" }),
});
export const AppPasswords = t.Object({ items: t.Array(AppPassword) });
export const AppPasswordParams = t.Object({ id: t.String({ format: "uuid" }) });
