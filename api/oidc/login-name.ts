const letters = "абвгдеёжзийклмнопрстуфхцчшщъыьэюя";
const sounds = "a b v g d e e zh z i y k l m n o p r s t u f kh ts ch sh shch . y . e yu ya".split(" ");
const maxLength = 24;

/** A login made of the name that somebody has elsewhere; Cyrillic is written in Latin letters, what does not fit is left out. */
export function suggestLogin(name: string | null): string {
  const plain = [...(name ?? "").toLowerCase()]
    .map((letter) => (sounds[letters.indexOf(letter)] ?? letter).replace(/^\.$/, letter === "." ? "." : ""))
    .join("")
    .normalize("NFKD")
    .replace(/\p{M}/gu, "")
    .replace(/[^a-z0-9_.-]+/g, "-")
    .replace(/^[^a-z0-9]+|[^a-z0-9]+$/g, "")
    .slice(0, maxLength);
  return plain.length < 2 ? "player" : plain;
}

/** The same with some random digits, for when it is taken. */
export function varyLogin(login: string, digits = 4): string {
  const [number = 0] = crypto.getRandomValues(new Uint32Array(1));
  return `${login}-${String(number % 10 ** digits).padStart(digits, "0")}`;
}
