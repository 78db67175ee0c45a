import { toSlug } from "../slug.ts";
import { listTakenSlugs, type Words } from "./event.ts";
import type { Db } from "./query.ts";

/** The address of a title, with a number where it is, or ever was, taken. */
export async function pickSlug(db: Db, title: Words): Promise<string> {
  const slug = toSlug(title);
  const choices = [slug, ...Array.from({ length: 20 }, (_, index) => `${slug}-${index + 2}`)];
  const taken = await listTakenSlugs(db, choices);
  return choices.find((choice) => !taken.includes(choice)) ?? `${slug}-${Math.random().toString(36).slice(2, 8)}`;
}
