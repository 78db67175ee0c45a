import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Answer, long, openCall, type System, startSystem, type TestUser } from "../harness.ts";

let open: System;
beforeAll(async () => {
  open = await startSystem({ pods: 1 });
});
afterAll(() => open?.stop());

let made = 0;
const newLogin = () => `new-${++made}-${Math.random().toString(36).slice(2, 8)}`;
const good = "a long test password";
const register = (system: System, body: object): Promise<Answer> =>
  system.call("POST", "/v1/auth/register", { body: { login: newLogin(), password: good, ...body } });
const signIn = (system: System, login: string, password: string): Promise<Answer> =>
  system.call("POST", "/v1/auth/login", { body: { login, password } });

/** Past the gateway, which lets one address through so often only: to each of the API's processes in turn. */
const registerAtOnce = (system: System, bodies: object[]): Promise<Answer[]> =>
  Promise.all(
    bodies.map((body, index) =>
      openCall(system.apiUrls[index % system.apiUrls.length] ?? "")("POST", "/v1/auth/register", {
        body: { login: newLogin(), password: good, ...body },
      }),
    ),
  );

/** What an answer says, but for what differs between any two accounts. */
function shapeOf({ status, headers, json }: Answer) {
  const names = [...headers.keys()].filter((name) => name !== "content-length").sort();
  return { status, names, members: Object.keys(json), user: Object.keys(json.user), roles: json.user.roles };
}

describe("a password", () => {
  // L5: nothing is trimmed, cut off or folded.
  const accepted: [what: string, password: string, others: string[]][] = [
    ["of 8 characters", "x7#kLp2q", ["x7#kLp2", "X7#KLP2Q"]],
    ["of 256 characters", "ab#7".repeat(64), [`${"ab#7".repeat(63)}ab#8`, "ab#7".repeat(63)]],
    ["with spaces at both ends", "  spaces at both ends  ", ["spaces at both ends", "  spaces at both ends"]],
    ["with NUL in it", "before it\u0000after it", ["before it\u0000after", "before it", "before it\u0000other!"]],
    ["of characters beyond the BMP", "🗝️🧰🗝️🧰🗝️🧰", ["🗝️🧰🗝️🧰🗝️🗝️", "????????"]],
    ["in Cyrillic letters", "длинный пароль", ["длинный пароль ", "длинный парол"]],
    ["of combining marks, as they are", "cafe\u0301 cafe\u0301", ["caf\u00e9 caf\u00e9"]],
  ];
  test.each(accepted)("%s is taken as it is (L5)", async (_what, password, others) => {
    const login = newLogin();
    expect((await register(open, { login, password })).status).toBe(201);
    expect((await signIn(open, login, password)).status).toBe(200);
    for (const other of others) expect([other, (await signIn(open, login, other)).status]).toEqual([other, 401]);
  });

  test("longer than 256 characters, or shorter than 8, is refused before anything is hashed (L5)", async () => {
    for (const password of ["x".repeat(257), "x".repeat(10_000), "7 chars", ""]) {
      const answer = await register(open, { password });
      expect([answer.status, answer.json.errors[0].pointer]).toEqual([422, "/password"]);
    }
    expect((await signIn(open, "anybody", "x".repeat(10_000))).status).toBe(422);
  });

  test("that is common, or the login or the address, is refused with the reason (L6)", async () => {
    const common = ["password", "12345678", "qwertyuiop", "iloveyou", "PASSWORD", "1qaz2wsx", "trustno1", "Superman"];
    for (const password of common) {
      const answer = await register(open, { password });
      expect([password, answer.status, answer.json.reason]).toEqual([password, 422, "weak-password"]);
      expect(answer.json.errors).toEqual([{ pointer: "/password", detail: "it is one of the most common ones" }]);
    }
    const own = { login: "some-long-login", email: "somebody.long@mail.example" };
    for (const password of ["some-long-login", "SOME-Long-Login", "somebody.long@mail.example", "somebody.long"]) {
      const answer = await register(open, { ...own, password });
      expect([password, answer.status, answer.json.reason]).toEqual([password, 422, "weak-password"]);
    }
    expect((await register(open, own)).status).toBe(201);
  });

  test("among the 3,000 most common ones that are long enough is refused, each (L6)", async () => {
    const { dictionary } = await import("@zxcvbn-ts/language-common");
    const common = dictionary["passwords-common"]
      .filter((password) => password.length >= 8)
      .slice(0, long ? 3_000 : 200);
    const answers = await registerAtOnce(
      open,
      common.map((password) => ({ password })),
    );
    expect(answers.filter(({ status, json }) => status !== 422 || json.reason !== "weak-password")).toEqual([]);
  });
});

describe("an e-mail address", () => {
  test("that is taken is answered like one that is free (L2)", async () => {
    const email = `${newLogin()}@mail.example`;
    const first = await register(open, { email });
    await open.db.query({
      name: "test_verify",
      text: `update account."user" set email_verified_at = now() where id = $1`,
      values: [first.json.user.id],
    });
    const answers = [
      await register(open, { email }),
      await register(open, { email: email.toUpperCase() }),
      await register(open, { email: `${newLogin()}@mail.example` }),
    ];
    for (const answer of answers) expect(shapeOf(answer)).toEqual(shapeOf(first));
    expect(first.status).toBe(201);
    // Only who proved it signs in by it.
    const login = await signIn(open, email, good);
    expect([login.status, login.json.user.id]).toEqual([200, first.json.user.id]);
  });

  test("that nobody proved signs nobody in", async () => {
    const email = `${newLogin()}@mail.example`;
    expect((await register(open, { email })).status).toBe(201);
    expect((await signIn(open, email, good)).status).toBe(401);
  });

  test("has to look like one", async () => {
    for (const email of ["", "nobody", "a@b\r\nbcc: c@d.example", "a@", "@b.example", `${"x".repeat(250)}@b.example`])
      expect([email, (await register(open, { email })).status]).toEqual([email, 422]);
  });

  test("that is asked about again and again answers the same for known and unknown names (L2)", async () => {
    const login = newLogin();
    const email = `${login}@mail.example`;
    await register(open, { login, email });
    const answers: Answer[] = [];
    for (const name of [login, email, "nobody-of-this-name", "nobody@mail.example"])
      answers.push(await open.call("POST", "/v1/auth/password/forgot", { body: { login: name } }));
    for (const { status, text, headers } of answers)
      expect([status, text, [...headers.keys()].sort()]).toEqual([
        202,
        '{"accepted":true}',
        [...(answers[0]?.headers.keys() ?? [])].sort(),
      ]);
  });
});

describe("by invitation", () => {
  let system: System;
  let admin: TestUser;
  beforeAll(async () => {
    system = await startSystem({ pods: 1, environment: { REGISTRATION: "invite" } });
    const id = Bun.randomUUIDv7();
    const hash = await Bun.password.hash(good);
    await system.db.query({
      name: "test_admin",
      text: `insert into account."user" (id, login, password_hash, roles) values ($1, 'admin', $2, '{admin}')`,
      values: [id, hash],
    });
    const { json } = await signIn(system, "admin", good);
    const call: TestUser["call"] = (method, path, options = {}) =>
      system.call(method, path, {
        ...options,
        headers: { authorization: `Bearer ${json.accessToken}`, ...options.headers },
      });
    admin = { login: "admin", token: json.accessToken, refreshToken: json.refreshToken, call };
  });
  afterAll(() => system?.stop());

  const invite = async (body: object = {}) => {
    const answer = await admin.call("POST", "/v1/invites", { body });
    expect(answer.status).toBe(201);
    return answer.json;
  };

  test("nobody registers without a code that holds, whatever the login", async () => {
    const { code, id } = await invite();
    expect((await admin.call("DELETE", `/v1/invites/${id}`)).status).toBe(204);
    const expired = await invite();
    await system.db.query({
      name: "test_expire",
      text: `update account.invite set expires_at = now() - interval '1 second' where id = $1`,
      values: [expired.id],
    });
    for (const given of [
      {},
      { invite: "" },
      { invite: "AAAAA-AAAAA-AAAAA-AAAAA" },
      { invite: code },
      { invite: expired.code },
    ])
      for (const login of [newLogin(), "admin"]) {
        const answer = await register(system, { login, ...given });
        expect([given, answer.status, answer.json.reason]).toEqual([given, 403, "invite"]);
      }
  });

  test("a code is typed as people type", async () => {
    const { code } = await invite({ note: "for Anna" });
    expect(code).toMatch(/^([0-9A-HJKMNP-TV-Z]{5}-){3}[0-9A-HJKMNP-TV-Z]{5}$/);
    const typed = ` ${code.toLowerCase().replaceAll("-", " ").replaceAll("0", "o").replaceAll("1", "l")} `;
    expect((await register(system, { invite: typed })).status).toBe(201);
  });

  test("fifty concurrent uses of one code make one account", async () => {
    const { code, id } = await invite();
    const logins = Array.from({ length: 50 }, newLogin);
    const answers = await registerAtOnce(
      system,
      logins.map((login) => ({ login, invite: code })),
    );
    const [winner, ...more] = answers.filter(({ status }) => status === 201);
    expect(more).toEqual([]);
    for (const { status, json } of answers.filter((answer) => answer !== winner))
      expect([status, json.reason]).toEqual([403, "invite"]);
    const { rows } = await system.db.query({
      name: "test_count",
      text: `select login from account."user" where login = any ($1)`,
      values: [logins],
    });
    expect(rows).toEqual([{ login: winner?.json.user.login }]);
    const { json } = await admin.call("GET", "/v1/invites");
    const used = json.items.find((item: { id: string }) => item.id === id);
    expect(used).toMatchObject({ usedBy: winner?.json.user.login, createdBy: "admin" });
    expect((await admin.call("DELETE", `/v1/invites/${id}`)).status).toBe(404);
    expect(JSON.stringify(json)).not.toContain(code);
  });

  test("a taken login leaves the code for another try", async () => {
    const { code } = await invite();
    expect((await register(system, { login: "admin", invite: code })).status).toBe(409);
    expect((await register(system, { password: "12345678", invite: code })).status).toBe(422);
    expect((await register(system, { invite: code })).status).toBe(201);
  });

  test("invites are listed in pages, newest first, for admins only", async () => {
    for (let index = 0; index < 3; index++) await invite({ note: `page ${index}` });
    const first = (await admin.call("GET", "/v1/invites?limit=2")).json;
    expect(first.items.map(({ note }: { note: string }) => note)).toEqual(["page 2", "page 1"]);
    const next = (await admin.call("GET", `/v1/invites?limit=1&cursor=${first.nextCursor}`)).json;
    expect(next.items[0].note).toBe("page 0");
    expect((await system.call("GET", "/v1/invites")).status).toBe(401);
  });
});

test("registration can be closed", async () => {
  const system = await startSystem({ pods: 1, environment: { REGISTRATION: "closed" } });
  try {
    expect((await register(system, { invite: "AAAAA-AAAAA-AAAAA-AAAAA" })).status).toBe(403);
  } finally {
    await system.stop();
  }
});
