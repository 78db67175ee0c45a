/** `mods/sodium-fabric-0.5.3.jar` is `sodium-fabric` in version `0.5.3`: from the first number after a dash on. */
export function readJarName(path: string): { stem: string; before: string; after: string } {
  const stem = path.slice(path.lastIndexOf("/") + 1).replace(/\.jar$/i, "");
  const [, before = stem, after = ""] = /^(.+?)[-_ ]+(v?\d.*)$/i.exec(stem) ?? [];
  return { stem, before, after };
}

/** A name of small letters, digits and dashes, which no address and no coordinate takes for something else. */
export function toName(text: string): string {
  const name = text
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-|-$/g, "");
  return name.slice(0, 80).replace(/-$/, "") || "mod";
}

/** A version as people write them, of letters, digits, dots and dashes; may be empty. */
export const toVersion = (text: string) =>
  text
    .replace(/[^A-Za-z0-9._]+/g, "-")
    .replace(/^-|-$/g, "")
    .slice(0, 40);

/** Names that are all different: of some wishes the first that is free, else the last one with a number. */
export function openNames(): (wishes: string[]) => string {
  const taken = new Set<string>();
  return (wishes) => {
    let name = wishes.find((wish) => !taken.has(wish));
    for (let number = 2; name === undefined; number += 1) {
      const numbered = `${wishes.at(-1)}-${number}`;
      if (!taken.has(numbered)) name = numbered;
    }
    taken.add(name);
    return name;
  };
}
