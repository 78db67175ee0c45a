import { usageFault } from "../arguments.ts";

/** The address that a pack's name suggests (`[a-z0-9-]{2,64}`), or undefined when it would lose letters of the name. */
export function slugFromName(name: string): string | undefined {
  const plain = name.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
  if (/[^a-z0-9]/.test(plain.replace(/[^\p{L}\p{N}]/gu, ""))) return undefined;
  const slug = plain
    .replace(/[^a-z0-9]+/g, "-")
    .slice(0, 64)
    .replace(/^-+|-+$/g, "");
  return slug.length >= 2 ? slug : undefined;
}

/** Throws a usage fault when an option's value is none of those allowed. */
export function checkChoice(
  value: string | undefined,
  { option, allowed, usage }: { option: string; allowed: readonly string[]; usage: string },
): void {
  if (value === undefined || allowed.includes(value)) return;
  throw usageFault(`Read ${option}: "${value}" is none of ${allowed.join(", ")}`, usage);
}

/** Throws a usage fault when this is no slug. */
export function checkSlug(slug: string, usage: string): void {
  if (/^[a-z0-9-]{2,64}$/.test(slug)) return;
  throw usageFault(`Name the pack: "${slug}" is not 2 to 64 of a-z, 0-9 and -; use --slug`, usage);
}

/** Throws a usage fault when this is no version. */
export function checkVersion(version: string, usage: string): void {
  if (/^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$/.test(version)) return;
  throw usageFault(
    `Name the version: "${version}" is not 1 to 64 of letters, digits and . _ + -, letter or digit first; use --version`,
    usage,
  );
}

/** Throws a usage fault when this is no moment in time that is the same everywhere. */
export function checkTime(time: string, usage: string): void {
  if (/^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$/i.test(time) && !Number.isNaN(Date.parse(time)))
    return;
  throw usageFault(`Read --at: "${time}" is no time such as 2026-12-24T18:00:00+03:00`, usage);
}
