import { describe, expect, test } from "bun:test";
import type { Origin } from "../../cli/install/origin.ts";
import { trustManifest } from "../../cli/install/trust.ts";
import { Fault } from "../../fault.ts";
import { makeSigningKey, parseSigningKeys } from "../../keys.ts";
import { type ManifestKey, openManifestSigner, writeSignatureHeader } from "../../manifest-signature.ts";
import { sha256 } from "../harness.ts";

async function makeKey() {
  const [key] = parseSigningKeys(await makeSigningKey());
  if (key === undefined) throw new Error("no key was made");
  return key;
}
const [first, second, third] = [await makeKey(), await makeKey(), await makeKey()];
const text = '{"formatVersion":1,"name":"сундук"}';
type Key = typeof first;
const shownOf = (...keys: Key[]) => openManifestSigner(keys).publicKeys;
const signedBy = (keys: Key[], signedText = text) => {
  const bytes = new TextEncoder().encode(signedText);
  const signatures = openManifestSigner(keys).sign({ bytes, sha256: sha256(bytes) });
  return { text, signature: writeSignatureHeader(signatures) ?? null };
};
type Case = { signed: ReturnType<typeof signedBy>; shown?: ManifestKey[]; pinned?: ManifestKey[]; newKeys?: boolean };

/** The ids that are known afterwards, or the code of the refusal; and how often the server was asked for its keys. */
async function trust({ signed, shown, pinned = [], newKeys = false }: Case) {
  let asked = 0;
  const origin: Origin = {
    url: "https://packs.example.org",
    slug: "x",
    source: undefined,
    readRelease: async () => undefined,
    signUrls: async () => new Map(),
    readKeys: async () => {
      asked += 1;
      if (shown === undefined) throw new Fault("unavailable", "away");
      return shown;
    },
  };
  const { signal } = new AbortController();
  const keys = await trustManifest(origin, { signed, pinned, newKeys, signal }).catch((error: unknown) =>
    error instanceof Fault ? error.code : Promise.reject(error),
  );
  return { known: typeof keys === "string" ? keys : keys.map(({ id }) => id), asked };
}
const ids = (...keys: Key[]) => keys.map(({ kid }) => kid);

describe("trustManifest()", () => {
  const cases: [what: string, given: Case, known: string[] | string, asked: number][] = [
    ["a server that signs nothing is asked for nothing", { signed: { text, signature: null } }, [], 0],
    ["the first key is remembered", { signed: signedBy([first]), shown: shownOf(first) }, ids(first), 1],
    ["a known key is not asked for again", { signed: signedBy([first]), pinned: shownOf(first) }, ids(first), 0],
    ["a first key that is not shown is refused", { signed: signedBy([first]), shown: shownOf(second) }, "invalid", 1],
    ["other bytes are refused", { signed: signedBy([first], "{}"), shown: shownOf(first) }, "invalid", 1],
    ["other bytes by a known key too", { signed: signedBy([first], "{}"), pinned: shownOf(first) }, "conflict", 0],
    [
      "another key is refused",
      { signed: signedBy([second]), shown: shownOf(second), pinned: shownOf(first) },
      "conflict",
      0,
    ],
    ["no signature any more is refused", { signed: { text, signature: null }, pinned: shownOf(first) }, "conflict", 0],
    ["rubbish is no signature", { signed: { text, signature: "x, y z w,=" }, pinned: shownOf(first) }, "conflict", 0],
    [
      "a key that signs beside a known one is learned",
      { signed: signedBy([second, first]), shown: shownOf(second, first), pinned: shownOf(first) },
      ids(second, first),
      1,
    ],
    [
      "but not one that has not signed these bytes",
      { signed: signedBy([second, first]), shown: shownOf(third, first), pinned: shownOf(first) },
      ids(first),
      1,
    ],
    [
      "a list that is away keeps nobody out",
      { signed: signedBy([second, first]), pinned: shownOf(first) },
      ids(first),
      1,
    ],
    [
      "a player may say that the keys are new",
      { signed: signedBy([second]), shown: shownOf(second), pinned: shownOf(first), newKeys: true },
      ids(second),
      1,
    ],
    [
      "and even then they have to be shown",
      { signed: signedBy([second]), shown: shownOf(first), pinned: shownOf(first), newKeys: true },
      "invalid",
      1,
    ],
  ];
  test.each(cases)("%s", async (_, given, known, asked) => {
    const outcome: unknown = await trust(given);
    expect(outcome).toEqual({ known, asked });
  });
});
