import { expect, test } from "bun:test";
import { requireSecondFactor } from "../../api/accounts/second-factor.ts";
import { makeSecret } from "../../keys.ts";
import { openSeal } from "../../seal.ts";
import { openTestDeps } from "../harness.ts";

test("what is sealed opens for its owner and with its key only, and not when a bit was changed", () => {
  const seal = openSeal(makeSecret());
  const sealed = seal.close("секрет", "totp 1");
  expect(seal.open(sealed, "totp 1")).toBe("секрет");
  expect(seal.close("секрет", "totp 1")).not.toBe(sealed);
  expect(() => seal.open(sealed, "totp 2")).toThrow();
  expect(() => openSeal(makeSecret()).open(sealed, "totp 1")).toThrow();
  const bytes = Buffer.from(sealed, "base64url");
  for (let index = 0; index < bytes.length; index++) {
    const changed = Buffer.from(bytes);
    changed.writeUInt8(changed.readUInt8(index) ^ 1, index);
    expect(() => seal.open(changed.toString("base64url"), "totp 1")).toThrow();
  }
  for (const text of ["", "x", sealed.slice(0, 20)]) expect(() => seal.open(text, "totp 1")).toThrow();
});

test("what is derived belongs to its purpose, its source and the key", () => {
  const secret = makeSecret();
  const [seal, same, other] = [openSeal(secret), openSeal(secret), openSeal(makeSecret())];
  expect(seal.derive("nonce", "a")).toBe(same.derive("nonce", "a"));
  expect(seal.derive("nonce", "a")).toMatch(/^[\w-]{43}$/);
  const others = [seal.derive("nonce", "b"), seal.derive("verifier", "a"), other.derive("nonce", "a")];
  expect(new Set([seal.derive("nonce", "a"), ...others]).size).toBe(4);
});

test("with another TOKEN_SECRET codes of an app are refused with the reason, and recovery codes work", async () => {
  const deps = await openTestDeps();
  try {
    const id = Bun.randomUUIDv7();
    const hash = new Bun.CryptoHasher("sha256").update("abcdefghabcdefgh").digest("hex");
    await deps.db.query({
      name: "test_factor",
      text: `with made as (insert into account."user" (id, login, roles, totp_secret, totp_confirmed_at)
          values ($1, 'anna', '{}', $2, now()) returning id)
        insert into account.recovery_code (user_id, code_hash) select id, $3 from made`,
      values: [id, openSeal(makeSecret()).close("SECRET", `totp ${id}`), hash],
    });
    const checking = { db: deps.db, seal: openSeal(makeSecret()) };
    const user = { id, secondFactor: true };
    await expect(requireSecondFactor(checking, { user, code: "123456" })).rejects.toMatchObject({
      code: "not-signed-in",
      extra: { reason: "second-factor" },
    });
    await requireSecondFactor(checking, { user, code: "ABCD-EFGH-abcd-efgh" });
  } finally {
    await deps.close();
  }
});
