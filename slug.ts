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
export function toSlug({ ru, en }: { ru?: string; en?: string }): string {
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
