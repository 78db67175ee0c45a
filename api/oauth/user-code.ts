import { randomInt } from "node:crypto";

/** No vowels, so that no words appear, and nothing that is taken for something else on a television (RFC 8628, 6.1). */
const alphabet = "BCDFGHJKLMNPQRSTVWXZ3479";
const length = 8;
/** Letters that look the same on a Russian keyboard. */
const lookAlikes: Record<string, string> = { В: "B", С: "C", Н: "H", К: "K", М: "M", Р: "P", Т: "T", Х: "X" };

/** A code that a person reads on one device and types on another: 24^8, a hundred thousand millions. */
export function makeUserCode(): string {
  return Array.from({ length }, () => alphabet[randomInt(alphabet.length)]).join("");
}

/** As people see it: XXXX-XXXX. */
export function showUserCode(code: string): string {
  return `${code.slice(0, length / 2)}-${code.slice(length / 2)}`;
}

/** What somebody typed, without dashes and blanks, in upper case; undefined when it is no code. */
export function readUserCode(typed: string): string | undefined {
  const code = [...typed.toUpperCase().replace(/[\s\p{Pd}]/gu, "")]
    .map((letter) => lookAlikes[letter] ?? letter)
    .join("");
  return code.length === length && [...code].every((letter) => alphabet.includes(letter)) ? code : undefined;
}
