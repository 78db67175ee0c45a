import { type Static, Type as t } from "@sinclair/typebox";
import { Code } from "../accounts/model.ts";

export const ProviderParams = t.Object({ provider: t.String({ pattern: "^[a-z0-9][a-z0-9-]{0,31}$" }) });
/** A path of ours: never another host, not even for browsers that read \ as /. */
const ReturnTo = t.String({
  pattern: "^/(?![/\\\\])[!-\\[\\]-~]*$",
  maxLength: 3_100,
  description: "A path here to go on to",
});
export const StartQuery = t.Object({ returnTo: t.Optional(ReturnTo) }, { additionalProperties: false });
/** Providers add parameters of their own. */
export const CallbackQuery = t.Object(
  { state: t.Optional(t.String({ maxLength: 200 })), code: t.Optional(t.String({ maxLength: 4_000 })) },
  { additionalProperties: true, description: "What the provider sends (RFC 6749, 4.1.2)" },
);
export const LinkBody = t.Object({ returnTo: t.Optional(ReturnTo) }, { additionalProperties: false });
export const CodeForm = t.Object({ ticket: t.String({ maxLength: 100 }), code: Code }, { additionalProperties: false });
export type CodeForm = Static<typeof CodeForm>;
export type Linked = { linked: string };

export const Providers = t.Object({
  items: t.Array(t.Object({ id: t.String(), name: t.String(), startUrl: t.String() })),
});
export const Identities = t.Object({
  items: t.Array(
    t.Object({
      provider: t.String(),
      name: t.String(),
      email: t.Union([t.String(), t.Null()]),
      createdAt: t.String({ format: "date-time" }),
    }),
  ),
});
export const Link = t.Object({ url: t.String({ description: "Where the browser is to go" }) });
