import { readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";

const root = join(import.meta.dir, "..");

export type Import = { line: number; specifier: string; kind: "value" | "type" | "dynamic" };
export type SourceFile = { path: string; text: string; code: string; imports: Import[] };

/** Every TypeScript file of the repository that is not a test, with its path from the root. */
export function readSources(): SourceFile[] {
  const paths = [...new Bun.Glob("**/*.ts").scanSync({ cwd: root })].map((path) => path.replaceAll("\\", "/"));
  const skipped = /^(node_modules|data|tests|bench|web|\.bun)\/|\.d\.ts$/;
  return paths
    .filter((path) => !skipped.test(path))
    .sort()
    .map((path) => {
      const text = readFileSync(join(root, path), "utf8");
      return { path, text, code: blankTexts(text), imports: listImports(text) };
    });
}

/** `./x.ts` as seen from a file: its path from the root; undefined for a package. */
export function resolveImport(from: string, specifier: string): string | undefined {
  return specifier.startsWith(".") ? normalize(join(dirname(from), specifier)) : undefined;
}

/** The line of a place in a text, from 1. */
export function lineOf(text: string, index: number): number {
  return text.slice(0, index).split("\n").length;
}

function listImports(text: string): Import[] {
  const found: Import[] = [];
  // The formatter puts every import and export at the beginning of a line.
  for (const match of text.matchAll(/^(import|export)\s+(type\s+)?([^;"']*?\sfrom\s+)?"([^"]+)"/gm)) {
    const named = /\{([^}]*)\}/.exec(match[3] ?? "")?.[1] ?? "";
    const names = named.split(",").map((name) => name.trim());
    const onlyTypes = named.trim() !== "" && names.filter(Boolean).every((name) => name.startsWith("type "));
    found.push({
      line: lineOf(text, match.index),
      specifier: match[4] ?? "",
      kind: match[2] || onlyTypes ? "type" : "value",
    });
  }
  for (const match of text.matchAll(/\bimport\(\s*["`]([^"`]+)["`]/g))
    found.push({ line: lineOf(text, match.index), specifier: match[1] ?? "", kind: "dynamic" });
  return found;
}

/** The code with comments, texts and regular expressions blanked, every character and line at its place. */
export function blankTexts(text: string): string {
  const out = [...text];
  const blank = (from: number, to: number) => {
    for (let index = from; index < to; index++) if (out[index] !== "\n") out[index] = " ";
  };
  const templates: number[] = []; // depth of braces at which each open ${ ends
  let depth = 0;
  let before = "";
  let at = 0;
  const characters = [...text];
  const until = (start: number, end: string) => {
    let index = start;
    while (index < characters.length && characters[index] !== end) index += characters[index] === "\\" ? 2 : 1;
    return index + 1;
  };
  const template = (start: number) => {
    let index = start;
    while (index < characters.length && characters[index] !== "`") {
      if (characters[index] === "$" && characters[index + 1] === "{") {
        templates.push(depth);
        blank(start, index);
        return index + 2;
      }
      index += characters[index] === "\\" ? 2 : 1;
    }
    blank(start, index + 1);
    return index + 1;
  };
  const regex = (start: number) => {
    let index = start;
    let inClass = false;
    while (index < characters.length && (inClass || characters[index] !== "/")) {
      if (characters[index] === "[") inClass = true;
      if (characters[index] === "]") inClass = false;
      index += characters[index] === "\\" ? 2 : 1;
    }
    return index + 1;
  };
  while (at < characters.length) {
    const [here = "", next = ""] = [characters[at], characters[at + 1]];
    let end = at + 1;
    if (here === "/" && next === "/") end = until(at, "\n") - 1;
    else if (here === "/" && next === "*") end = text.length && findEnd(characters, at + 2);
    else if (here === '"' || here === "'") end = until(at + 1, here);
    else if (here === "`") end = template(at + 1);
    else if (here === "/" && /(^|[(,=:[!&|?{};+\-*%<>~^]|\breturn|=>)$/.test(before.trimEnd())) end = regex(at + 1);
    else if (here === "{") depth++;
    else if (here === "}" && templates.at(-1) === depth) {
      templates.pop();
      end = template(at + 1);
    } else if (here === "}") depth--;
    const isText = end > at + 1 && here !== "`" && here !== "}";
    if (isText) blank(at, end);
    if (!(here === "/" && (next === "/" || next === "*"))) before = (before + (isText ? "0" : here)).slice(-12);
    at = end;
  }
  return out.join("");
}

function findEnd(characters: string[], start: number): number {
  let index = start;
  while (index < characters.length && !(characters[index] === "*" && characters[index + 1] === "/")) index++;
  return index + 2;
}
