import { listTakenSlugs } from "../../db/event.ts";
import type { Db } from "../../db/query.ts";
import type { Words } from "../language.ts";

/** Latin letters for Russian ones, as people write them in addresses. */
const latin: Record<string, string> = {
  а: "a",
  б: "b",
  в: "v",
  г: "g",
  д: "d",
  е: "e",
  ё: "e",
  ж: "zh",
  з: "z",
  и: "i",
  й: "y",
  к: "k",
  л: "l",
  м: "m",
  н: "n",
  о: "o",
  п: "p",
  р: "r",
  с: "s",
  т: "t",
  у: "u",
  ф: "f",
  х: "h",
  ц: "ts",
  ч: "ch",
  ш: "sh",
  щ: "sch",
  ъ: "",
  ы: "y",
  ь: "",
  э: "e",
  ю: "yu",
  я: "ya",
};

/** An address made of a title: «Зимний турнир!» is `zimniy-turnir`. */
export function toSlug({ ru, en }: Words): string {
  const letters = [...(en ?? ru ?? "").toLowerCase().normalize("NFC")]
    .map((letter) => latin[letter] ?? letter)
    .join("");
  const slug = letters
    .normalize("NFKD")
    .replace(/\p{M}/gu, "")
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-+|-+$/g, "");
  return slug.length < 2 ? "event" : slug.slice(0, 56).replace(/-+$/, "");
}

/** The address of a title, with a number where it is, or ever was, taken. */
export async function pickSlug(db: Db, title: Words): Promise<string> {
  const slug = toSlug(title);
  const choices = [slug, ...Array.from({ length: 20 }, (_, index) => `${slug}-${index + 2}`)];
  const taken = await listTakenSlugs(db, choices);
  return choices.find((choice) => !taken.includes(choice)) ?? `${slug}-${Math.random().toString(36).slice(2, 8)}`;
}
