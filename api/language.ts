import { Type as t } from "@sinclair/typebox";
import { type Language, pickLanguage } from "./html-page.ts";

/** What people wrote in Russian, in English, or in both. */
export type Words = { ru?: string; en?: string };

/** Which language is shown, and whether it is not the one that was asked for. */
export const Shown = t.Object({ lang: t.Union([t.Literal("ru"), t.Literal("en")]), fallback: t.Boolean() });

/** Words in one language or both, each of so many characters; with `minLength` in one at least. */
export const describeWords = (maxLength: number, minLength = 0) => {
  const Text = t.String({ minLength, maxLength });
  const some = minLength > 0 ? { minProperties: 1 } : {};
  return t.Object({ ru: t.Optional(Text), en: t.Optional(Text) }, { additionalProperties: false, ...some });
};

/** The words in the language that the request (Accept-Language) or a person prefers, else in the other one; null when there are none. */
export function pickText(words: Words, wanted: Request | Language) {
  const asked = wanted instanceof Request ? pickLanguage(wanted) : wanted;
  const lang = words[asked] ? asked : asked === "ru" ? "en" : "ru";
  const text = words[lang];
  return text ? { text, lang, fallback: lang !== asked } : null;
}
