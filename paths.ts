/** Longest path in a pack, in UTF-16 units: Windows' MAX_PATH of 260 less room for the folder it is put in. */
const maxPathLength = 240;

/** Longest component, in bytes of UTF-8: NAME_MAX of Linux file systems. */
const maxComponentBytes = 255;

/** Matched against a folded component, so COM¹ and ＣＯＮ are here too. */
const deviceName = /^(?:con|prn|aux|nul|com[0-9]|lpt[0-9]|conin\$|conout\$|clock\$) *(?:\.|$)/u;

/** An 8.3 alias: at most eight characters with ~N at their end, then at most three of extension. */
const shortName = /^(?=[^.]{2,8}(?:\.|$))[^.]*~[0-9]+(?:\.[^.]{0,3})?$/u;

/** Escapes of control bytes, `%`, `.`, `/`, `:`, `\` and of anything beyond ASCII (overlong forms hide there); `%20` only at the end. */
const riskyEscape = /%(?:[0189a-f][0-9a-f]|2[5ef]|3a|5c|7f|20$)/iu;

/**
 * Says why a path may not be in a pack, or undefined when it may. Modrinth's path rules (path-util) and what Windows,
 * macOS, URL-decoding launchers and git would read as something else. A relation between paths is `findPathClashes`.
 */
export function checkPath(path: string): string | undefined {
  if (path === "") return "the path is empty";
  if (path.length > maxPathLength) return `the path has ${path.length} characters, more than ${maxPathLength}`;
  if (!path.isWellFormed()) return "the path holds an unpaired surrogate";
  if (path.includes("\\")) return "the path holds a backslash: folders are separated by /";
  if (path.startsWith("/")) return "the path is absolute";
  if (/^[a-z]:/iu.test(path)) return `the path starts with the drive ${quote(path.slice(0, 2))}`;
  for (const component of path.split("/")) {
    const reason = checkComponent(component);
    if (reason !== undefined) return reason;
  }
  return undefined;
}

function checkComponent(component: string): string | undefined {
  if (component === "") return "a component is empty (a doubled or trailing /)";
  if (component === "." || component === "..") return `component "${component}" is not a name`;
  const named = `component ${quote(component)}`;

  const sizeBytes = Buffer.byteLength(component);
  if (sizeBytes > maxComponentBytes) return `${named} has ${sizeBytes} bytes, more than ${maxComponentBytes}`;
  // \p{C}: controls, formats (bidi overrides, zero width), private use (Samba and Cygwin hide ":" there), and code
  // points without a meaning yet, whose folding is not settled.
  const invisible = /[\p{C}\p{Zl}\p{Zp}]/u.exec(component)?.[0];
  if (invisible !== undefined) return `${named} holds the unprintable character ${codePointName(invisible)}`;
  const forbidden = /[<>:"|?*]/u.exec(component)?.[0];
  if (forbidden !== undefined) return `${named} holds ${forbidden}, which Windows does not allow`;
  const escaped = riskyEscape.exec(component)?.[0];
  if (escaped !== undefined) return `${named} holds the percent-escape ${escaped}, which some clients decode`;

  const plain = component.normalize("NFKC");
  if (/[/\\]/u.test(plain)) return `${named} holds a character that normalises to a path separator`;
  if (/[.\s]$/u.test(plain)) return `${named} ends in a dot or a space, which Windows drops`;
  const folded = foldComponent(component);
  if (folded === "") return `${named} holds nothing visible`;
  if (deviceName.test(folded)) return `${named} is a reserved name on Windows`;
  if (shortName.test(folded)) return `${named} looks like a short (8.3) name on Windows`;
  if (folded === ".git") return `${named} is reserved for git`;
  return undefined;
}

/**
 * The key under which two paths may be the same file on some system: coarser than NFC or NFKC, full case folding and
 * Windows' trimming together (Unicode 16, 3.13, D146), and it also drops ignorable code points and the Turkish dot.
 * A key only: never a path to write to.
 */
export function foldPath(path: string): string {
  return path.split("/").map(foldComponent).join("/");
}

function foldComponent(component: string): string {
  if (/^[\x20-\x7e]*$/u.test(component)) return component.toLowerCase().replace(/[. ]+$/u, "");
  let folded = component;
  // Decomposing can uncover a capital and a change of case can uncover a decomposition: two rounds settle both.
  for (let round = 0; round < 2; round += 1) {
    // Lower first for ẞ, which is its own capital; then up for ß, ſ and ı; then down again.
    folded = folded.normalize("NFKD").toLowerCase().toUpperCase().toLowerCase().normalize("NFKD");
  }
  return (
    folded
      .replace(/\p{Default_Ignorable_Code_Point}/gu, "")
      .replaceAll("ς", "σ")
      // A capital of U+0345 is a letter: whether ᾳ with one more mark is composed before its case is changed decides on
      // which side of that letter the mark ends, so marks go before iotas.
      .replace(/ι[ι\p{M}]*/gu, (run) => run.replaceAll("ι", "") + "ι".repeat(run.split("ι").length - 1))
      .replace(/i\u0307+/gu, "i")
      .normalize("NFC")
      .replace(/[.\s]+$/u, "")
  );
}

/**
 * Finds the paths that cannot stand beside the others: repeated, the same file as an earlier one on some system, or a
 * file where another path needs a folder. Without the paths it names, the rest is free of clashes. Meant for paths that
 * `checkPath` accepts: nothing here bounds their length.
 */
export function findPathClashes(paths: Iterable<string>): { path: string; reason: string }[] {
  const clashes: { path: string; reason: string }[] = [];
  const files = new Map<string, string>();
  const folders = new Map<string, string>();
  for (const path of paths) {
    const folded = foldPath(path);
    const earlier = files.get(folded);
    if (earlier !== undefined) {
      const reason =
        earlier === path ? "it is listed twice" : `it is the same file as ${quote(earlier)} on some systems`;
      clashes.push({ path, reason });
      continue;
    }
    files.set(folded, path);
    for (let end = folded.lastIndexOf("/"); end > 0; end = folded.lastIndexOf("/", end - 1)) {
      const folder = folded.slice(0, end);
      // Whoever named this folder first named its parents too.
      if (folders.has(folder)) break;
      folders.set(folder, path);
    }
  }
  for (const [folded, path] of files) {
    const inside = folders.get(folded);
    if (inside !== undefined) clashes.push({ path, reason: `it is a file, and the folder of ${quote(inside)}` });
  }
  return clashes;
}

/** A name inside a sentence: short, and with nothing in it that could reorder or hide the rest. */
function quote(name: string): string {
  const shown = name.length > 60 ? `${name.slice(0, 60)}…` : name;
  return `"${shown.toWellFormed().replace(/[\p{C}\p{Zl}\p{Zp}]/gu, codePointName)}"`;
}

function codePointName(character: string): string {
  return `U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}`;
}
