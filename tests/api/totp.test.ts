import { expect, test } from "bun:test";
import { codeAt, describeKey, encodeBase32, findStep, makeTotpSecret, stepAt } from "../../api/accounts/totp.ts";

const secret = encodeBase32(Buffer.from("12345678901234567890"));

test("codes are those of RFC 6238, appendix B (the last six of its eight digits)", () => {
  const vectors: [seconds: number, code: string][] = [
    [59, "287082"],
    [1111111109, "081804"],
    [1111111111, "050471"],
    [1234567890, "005924"],
    [2000000000, "279037"],
    [20000000000, "353130"],
  ];
  expect(vectors.map(([seconds]) => codeAt(secret, stepAt(seconds * 1000)))).toEqual(vectors.map(([, code]) => code));
});

test("base32 is that of RFC 4648, section 10, without padding", () => {
  const vectors = { f: "MY", fo: "MZXQ", foo: "MZXW6", foob: "MZXW6YQ", fooba: "MZXW6YTB", foobar: "MZXW6YTBOI" };
  for (const [text, encoded] of Object.entries(vectors)) expect(encodeBase32(Buffer.from(text))).toBe(encoded);
  expect(makeTotpSecret()).toMatch(/^[A-Z2-7]{32}$/);
});

test("a code holds for its step and one either side, and no other", () => {
  const timeMs = 1_234_567_890_000;
  const now = stepAt(timeMs);
  const found = [-2, -1, 0, 1, 2].map((away) => findStep(secret, { code: codeAt(secret, now + away), timeMs }));
  expect(found).toEqual([undefined, now - 1, now, now + 1, undefined]);
  expect(findStep(secret, { code: "", timeMs })).toBeUndefined();
  expect(findStep(secret, { code: `${codeAt(secret, now)}0`, timeMs })).toBeUndefined();
});

test("the address for authenticator apps names host and login and carries the secret", () => {
  const uri = new URL(describeKey({ secret: "ABC", login: "vasya", host: "packs.example" }));
  expect(decodeURIComponent(uri.pathname)).toContain("Sunduk packs.example:vasya");
  expect(uri.searchParams.get("secret")).toBe("ABC");
  expect(uri.searchParams.get("issuer")).toBe("Sunduk packs.example");
});
