import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createPublicKey, type KeyObject, privateEncrypt, publicDecrypt, verify } from "node:crypto";
import { YggdrasilThirdPartyClient } from "@xmcl/user";
import { makeGameKey } from "../../game-key.ts";
import { type Answer, openCall, type System, sha256, startSystem, type TestUser, waitFor } from "../harness.ts";
import { makePng } from "../pictures.ts";

const password = "a long test password";
const json = "application/json; charset=utf-8";
const invalidToken = { error: "ForbiddenOperationException", errorMessage: "Invalid token." };
const invalidCredentials = {
  error: "ForbiddenOperationException",
  errorMessage: "Invalid credentials. Invalid username or password.",
};

let system: System;
let key: KeyObject;
/** Two who are left as they are. */
let one: Arrived;
let other: Arrived;
beforeAll(async () => {
  system = await startSystem({ apis: 1, environment: { YGGDRASIL_KEY: await makeGameKey() } });
  key = createPublicKey((await ask("GET", "")).json.signaturePublickey);
  [one, other] = [await arrive(), await arrive()];
});
afterAll(() => system?.stop());

const ask = (method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> =>
  system.call(method, `/yggdrasil${path}`, { ...(body !== undefined && { body }), headers });
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
const signIn = async (username: string, more: Record<string, unknown> = {}) =>
  (await ask("POST", "/authserver/authenticate", { username, password, ...more })).json;
const isGood = async (accessToken: string) =>
  (await ask("POST", "/authserver/validate", { accessToken })).status === 204;
const toId = (uuid: string) => uuid.replaceAll("-", "");
const sql = (text: string, values: unknown[]) => system.db.query({ name: "", text, values });

let made = 0;
async function makePlayer(user: TestUser, name = `Player_${Date.now() % 100_000}_${++made}`) {
  const { status, json: player, text } = await user.call("POST", "/v1/me/players", { body: { name } });
  if (status !== 201) throw new Error(`making ${name}: ${text}`);
  return { ...player, gameId: toId(player.id) } as { id: string; gameId: string; name: string };
}

type Arrived = Awaited<ReturnType<typeof arrive>>;

/** Somebody with one player, signed in. */
async function arrive() {
  const user = await system.signUp();
  const player = await makePlayer(user);
  const signedIn = await signIn(user.login, { clientToken: "my launcher" });
  return { user, player, signedIn, accessToken: signedIn.accessToken as string };
}

const isSigned = (value: string, signature: string) =>
  verify("sha1", Buffer.from(value), key, Buffer.from(signature, "base64"));
const readTextures = (profile: any) =>
  JSON.parse(Buffer.from(profile.properties.find((one: any) => one.name === "textures").value, "base64").toString());

describe("finding the server", () => {
  test("the metadata names the key, the hosts of skins and the features", async () => {
    for (const path of ["", "/"]) {
      const { status, headers, json: body } = await ask("GET", path);
      expect([status, headers.get("content-type")]).toEqual([200, json]);
      expect(headers.get("x-authlib-injector-api-location")).toBe("/yggdrasil/");
      expect(body.meta).toMatchObject({
        implementationName: "sunduk",
        serverName: new URL(system.url).host,
        "feature.non_email_login": true,
        "feature.enable_profile_key": true,
        "feature.openid_configuration_url": `${system.url}/.well-known/openid-configuration`,
      });
      expect(body.skinDomains).toEqual([new URL(system.url).hostname]);
      expect(body.signaturePublickey).toStartWith("-----BEGIN PUBLIC KEY-----\n");
    }
    expect(key.asymmetricKeyDetails?.modulusLength).toBe(4096);
  });

  test("the home page says where it is, to launchers and to people", async () => {
    const page = await fetch(`${system.url}/`, { headers: { "accept-language": "ru" } });
    expect(page.headers.get("x-authlib-injector-api-location")).toBe("/yggdrasil/");
    expect(await page.text()).toContain("адрес сервера авторизации");
    for (const path of ["/", "/yggdrasil", "/yggdrasil/"]) {
      const head = await fetch(`${system.url}${path}`, { method: "HEAD" });
      expect([head.status, head.headers.get("x-authlib-injector-api-location")]).toEqual([200, "/yggdrasil/"]);
    }
  });

  test("what is no request of a game is refused in the form that games read", async () => {
    const send = (body: string) =>
      fetch(`${system.url}/yggdrasil/authserver/refresh`, { method: "POST", body, headers: { "content-type": "x/y" } });
    for (const body of ["", "{", "[]", '{"accessToken":1}', '{"accessToken":"x","__proto__":{}}']) {
      const answer = await send(body);
      expect([body, answer.status, answer.headers.get("content-type")]).toEqual([body, 400, json]);
      expect(Object.keys((await answer.json()) as object)).toEqual(["error", "errorMessage"]);
    }
    expect((await send(`{"accessToken":"${"x".repeat(20_000)}"}`)).status).toBe(413);
    const unkept = "\0";
    for (const [path, body] of [
      ["/authserver/authenticate", { username: unkept, password }],
      ["/authserver/authenticate", { username: one.user.login, password, clientToken: unkept }],
      ["/api/profiles/minecraft", [unkept]],
    ] as const) {
      const { status, headers, json: refused } = await ask("POST", path, body);
      expect([status, headers.get("content-type"), refused.error]).toEqual([400, json, "IllegalArgumentException"]);
    }
  });

  test("tokens of other servers, empty names and an empty clientToken are no broken requests", async () => {
    const accessToken = "x".repeat(2_000);
    expect((await ask("POST", "/authserver/validate", { accessToken })).json).toEqual(invalidToken);
    expect((await ask("POST", "/authserver/invalidate", { accessToken })).status).toBe(204);
    for (const given of [
      { username: "", password },
      { username: one.user.login, password: "" },
    ])
      expect((await ask("POST", "/authserver/authenticate", given)).json).toEqual(invalidCredentials);
    const signedIn = await signIn(one.user.login, { clientToken: "" });
    expect(signedIn.clientToken).toMatch(/^[0-9a-f]{32}$/);
    const asked = { accessToken: signedIn.accessToken, clientToken: "" };
    expect((await ask("POST", "/authserver/validate", asked)).status).toBe(204);
  });
});

describe("signing in", () => {
  test("by login or proved address: one player is chosen, of several none, by the name of a player that one", async () => {
    const user = await system.signUp();
    const none = await signIn(user.login);
    expect(none).toMatchObject({ availableProfiles: [] });
    expect(none.selectedProfile).toBeUndefined();
    const first = await makePlayer(user);
    const asProfile = ({ gameId, name }: { gameId: string; name: string }) => ({ id: gameId, name });
    const one = await signIn(user.login, { clientToken: "mine", requestUser: true, agent: { name: "Minecraft" } });
    expect(one).toMatchObject({ clientToken: "mine", selectedProfile: asProfile(first) });
    expect(one.user.properties).toEqual([{ name: "preferredLanguage", value: "en" }]);
    expect(one.user.id).toMatch(/^[0-9a-f]{32}$/);
    const second = await makePlayer(user);
    const several = await signIn(user.login.toUpperCase());
    expect(several.availableProfiles).toEqual([first, second].map(asProfile));
    expect(several.selectedProfile).toBeUndefined();
    expect(several.clientToken).toMatch(/^[0-9a-f]{32}$/);
    expect((await signIn(second.name.toUpperCase())).selectedProfile).toEqual(asProfile(second));
    const address = `${user.login}@example.org`;
    await sql(`update account."user" set email = $2 where login = $1`, [user.login, address]);
    expect((await signIn(address)).error).toBe("ForbiddenOperationException");
    await sql(`update account."user" set email_verified_at = now() where login = $1`, [user.login]);
    expect((await signIn(address)).availableProfiles).toHaveLength(2);
  });

  test("a wrong password and an unknown name are told the same", async () => {
    const { user, player } = one;
    for (const username of [user.login, player.name, "nobody-here"]) {
      const answer = await ask("POST", "/authserver/authenticate", { username, password: "wrong" });
      expect([username, answer.status, answer.json]).toEqual([username, 403, invalidCredentials]);
      expect((await ask("POST", "/authserver/signout", { username, password: "wrong" })).json).toEqual(
        invalidCredentials,
      );
    }
  });

  test("with a second factor the password alone is not enough, an app password is; deleting it ends what it opened", async () => {
    const { user, player, accessToken } = await arrive();
    const app = (await user.call("POST", "/v1/me/app-passwords", { body: { name: "launcher" } })).json;
    await sql(`update account."user" set totp_secret = 'x', totp_confirmed_at = now() where login = $1`, [user.login]);
    const refused = await ask("POST", "/authserver/authenticate", { username: user.login, password });
    expect([refused.status, refused.json]).toEqual([403, invalidCredentials]);
    const opened = await signIn(player.name, { password: app.password });
    expect(opened.selectedProfile).toEqual({ id: player.gameId, name: player.name });
    expect((await ask("POST", "/authserver/signout", { username: "nobody", password: app.password })).status).toBe(403);
    expect((await user.call("DELETE", `/v1/me/app-passwords/${app.id}`)).status).toBe(204);
    expect([await isGood(opened.accessToken), await isGood(accessToken)]).toEqual([false, true]);
    const holding = (await user.call("GET", "/v1/auth/sessions")).json.items.filter((one: any) => !one.endedAt);
    expect(holding.filter((one: any) => one.client === "yggdrasil")).toHaveLength(1);
    const again = await ask("POST", "/authserver/authenticate", { username: user.login, password: app.password });
    expect(again.json).toEqual(invalidCredentials);
  });

  test("whoever refreshes without a pause does not keep an app password from being deleted", async () => {
    const { user } = await arrive();
    const app = (await user.call("POST", "/v1/me/app-passwords", { body: { name: "stolen" } })).json;
    const seen = new Set<number>();
    const last: string[] = [];
    const refreshAlways = async (first: string) => {
      let accessToken = first;
      for (let status = 200; status === 200; seen.add(status)) {
        last.push(accessToken);
        const answer = await ask("POST", "/authserver/refresh", { accessToken });
        status = answer.status;
        accessToken = answer.json.accessToken;
      }
    };
    // All are in before it is deleted: who comes later has no token to refresh.
    const opened = await Promise.all(Array.from({ length: 6 }, () => signIn(user.login, { password: app.password })));
    const thieves = Promise.all(opened.map(({ accessToken }) => refreshAlways(accessToken)));
    await waitFor(() => last.length > 50, "tokens to be refreshed");
    expect((await user.call("DELETE", `/v1/me/app-passwords/${app.id}`)).status).toBe(204);
    await thieves;
    expect([...seen].toSorted()).toEqual([200, 403]);
    expect(await Promise.all(last.slice(-12).map(isGood))).not.toContain(true);
  });

  test("of an account the newest ten hold, also when many sign in at once", async () => {
    const { user, accessToken } = await arrive();
    const app = (await user.call("POST", "/v1/me/app-passwords", { body: { name: "launcher" } })).json;
    const again = async (): Promise<string> => (await signIn(user.login, { password: app.password })).accessToken;
    for (let count = 0; count < 9; count++) await again();
    expect(await isGood(accessToken)).toBe(true);
    const tenth = await again();
    expect([await isGood(accessToken), await isGood(tenth)]).toEqual([false, true]);
    const crowd = await Promise.all(Array.from({ length: 30 }, again));
    const good = await Promise.all([tenth, ...crowd].map(isGood));
    expect(good.filter(Boolean)).toHaveLength(10);
    expect(good[0]).toBe(false);
  });

  test("a person sees sign-ins of games among the others, and ends them there or with a new password", async () => {
    const { user, accessToken } = await arrive();
    const other = (await signIn(user.login)).accessToken;
    const { items } = (await user.call("GET", "/v1/auth/sessions")).json;
    const ofGames = items.filter((one: any) => one.client === "yggdrasil");
    expect(ofGames).toHaveLength(2);
    expect(ofGames[0]).toMatchObject({ kind: "launcher", current: false });
    await user.call("DELETE", `/v1/auth/sessions/${ofGames[0].id}`);
    expect([await isGood(other), await isGood(accessToken)]).toEqual([false, true]);
    const change = { current: password, password: "another long test password", endOthers: true };
    expect((await user.call("PUT", "/v1/me/password", { body: change })).status).toBe(200);
    expect(await isGood(accessToken)).toBe(false);
    const { items: lines } = (await user.call("GET", "/v1/me/activity")).json;
    expect(lines.filter((line: any) => line.kind === "signed-in").length).toBeGreaterThanOrEqual(2);
  });

  test("the token opens nothing but games", async () => {
    const { accessToken } = one;
    expect((await openCall(system.url, accessToken)("GET", "/v1/me")).status).toBe(401);
    const kept = await sql("select token_hash from yggdrasil.token where token_hash = $1", [sha256(accessToken)]);
    expect(kept.rowCount).toBe(1);
    expect(JSON.stringify((await sql("select * from yggdrasil.token", [])).rows)).not.toContain(accessToken);
  });

  test("whoever is disabled is signed out of games, and his players are nobody's", async () => {
    const { user, player, accessToken } = await arrive();
    await sql(`update account."user" set disabled_at = now() where login = $1`, [user.login]);
    expect(await isGood(accessToken)).toBe(false);
    expect((await ask("POST", "/authserver/refresh", { accessToken })).json).toEqual(invalidToken);
    expect((await ask("GET", `/sessionserver/session/minecraft/profile/${player.gameId}`)).status).toBe(204);
    expect((await signIn(user.login)).error).toBe("ForbiddenOperationException");
  });
});

describe("tokens", () => {
  const refresh = (body: object) => ask("POST", "/authserver/refresh", body);
  const age = (token: string, days: number) =>
    sql("update yggdrasil.token set issued_at = issued_at - make_interval(days => $2) where token_hash = $1", [
      sha256(token),
      days,
    ]);

  test("a refresh gives another with the same clientToken and player; the former is over", async () => {
    const { player, accessToken } = await arrive();
    const wrong = await refresh({ accessToken, clientToken: "another" });
    expect([wrong.status, wrong.json]).toEqual([403, invalidToken]);
    expect(await isGood(accessToken)).toBe(true);
    const { status, json: fresh } = await refresh({ accessToken, clientToken: "my launcher", requestUser: true });
    expect(status).toBe(200);
    expect(fresh).toMatchObject({
      clientToken: "my launcher",
      selectedProfile: { id: player.gameId, name: player.name },
    });
    expect(fresh.user.id).toMatch(/^[0-9a-f]{32}$/);
    expect([await isGood(accessToken), await isGood(fresh.accessToken)]).toEqual([false, true]);
    expect((await refresh({ accessToken })).json).toEqual(invalidToken);
  });

  test("of twenty refreshes at once one wins", async () => {
    const { accessToken } = await arrive();
    const answers = await Promise.all(Array.from({ length: 20 }, () => refresh({ accessToken })));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 403)).toHaveLength(19);
  });

  test("a player is chosen once, and only of one's own", async () => {
    const user = await system.signUp();
    const [first, second] = [await makePlayer(user), await makePlayer(user)];
    const { accessToken } = await signIn(user.login);
    const theirs = await refresh({ accessToken, selectedProfile: { id: other.player.gameId, name: "x" } });
    expect([theirs.status, theirs.json.error]).toEqual([403, "ForbiddenOperationException"]);
    expect(await isGood(accessToken)).toBe(true);
    const chosen = await refresh({ accessToken, selectedProfile: { id: second.gameId, name: second.name } });
    expect(chosen.json.selectedProfile).toEqual({ id: second.gameId, name: second.name });
    const again = await refresh({ accessToken: chosen.json.accessToken, selectedProfile: { id: first.gameId } });
    expect([again.status, again.json]).toEqual([
      400,
      { error: "IllegalArgumentException", errorMessage: "Access token already has a profile assigned." },
    ]);
    expect(await isGood(chosen.json.accessToken)).toBe(true);
  });

  test("after 15 days it can only be refreshed, after 30 not even that", async () => {
    const { accessToken } = await arrive();
    await age(accessToken, 14);
    expect(await isGood(accessToken)).toBe(true);
    await age(accessToken, 2);
    expect(await isGood(accessToken)).toBe(false);
    const { json: fresh } = await refresh({ accessToken });
    expect(await isGood(fresh.accessToken)).toBe(true);
    await age(fresh.accessToken, 31);
    expect((await refresh({ accessToken: fresh.accessToken })).json).toEqual(invalidToken);
  });

  test("a player who is renamed has to be fetched anew", async () => {
    const { user, player, accessToken } = await arrive();
    const name = `New_${player.name.slice(-10)}`;
    expect((await user.call("PATCH", `/v1/me/players/${player.id}`, { body: { name } })).status).toBe(200);
    expect(await isGood(accessToken)).toBe(false);
    const { json: fresh } = await refresh({ accessToken });
    expect(fresh.selectedProfile).toEqual({ id: player.gameId, name });
    expect(await isGood(fresh.accessToken)).toBe(true);
  });

  test("validate asks for the clientToken only when it is given; invalidate never does, and is always content", async () => {
    const { accessToken } = await arrive();
    const validate = async (body: object) => (await ask("POST", "/authserver/validate", body)).status;
    expect(await validate({ accessToken, clientToken: "my launcher" })).toBe(204);
    expect(await validate({ accessToken, clientToken: null })).toBe(204);
    expect(await validate({ accessToken, clientToken: "another" })).toBe(403);
    expect(await validate({ accessToken: "nonsense" })).toBe(403);
    for (const token of ["nonsense", accessToken, accessToken]) {
      const answer = await ask("POST", "/authserver/invalidate", { accessToken: token, clientToken: "another" });
      expect([answer.status, answer.text]).toEqual([204, ""]);
    }
    expect(await validate({ accessToken })).toBe(403);
  });

  test("signout ends all of them, and no other session", async () => {
    const { user, accessToken } = await arrive();
    const other = (await signIn(user.login)).accessToken;
    expect((await ask("POST", "/authserver/signout", { username: user.login, password })).status).toBe(204);
    expect([await isGood(accessToken), await isGood(other)]).toEqual([false, false]);
    expect((await user.call("GET", "/v1/me")).status).toBe(200);
  });
});

describe("joining a server", () => {
  const join = (body: object) => ask("POST", "/sessionserver/session/minecraft/join", body);
  const hasJoined = (name: string, serverId: string, more = "") =>
    ask("GET", `/sessionserver/session/minecraft/hasJoined?username=${name}&serverId=${serverId}${more}`);

  test("of twenty servers that ask at once one is told, with signed properties", async () => {
    const { player, accessToken } = one;
    const serverId = "-1a2b3c";
    expect((await join({ accessToken, selectedProfile: player.gameId, serverId })).status).toBe(204);
    expect((await hasJoined(player.name, "another")).status).toBe(204);
    const answers = await Promise.all(Array.from({ length: 20 }, () => hasJoined(player.name, serverId)));
    const told = answers.filter(({ status }) => status === 200);
    expect(told).toHaveLength(1);
    expect(answers.filter(({ status, text }) => status === 204 && text === "")).toHaveLength(19);
    const profile = told[0]?.json;
    expect(profile).toMatchObject({ id: player.gameId, name: player.name });
    expect(profile.properties.map((one: any) => one.name)).toEqual(["textures", "uploadableTextures"]);
    for (const { value, signature } of profile.properties) expect(isSigned(value, signature)).toBe(true);
    expect(isSigned(`${profile.properties[0].value} `, profile.properties[0].signature)).toBe(false);
    expect((await hasJoined(player.name, serverId)).status).toBe(204);
  });

  test("nobody joins as somebody else, without a token, or with one that has no player", async () => {
    const { player, accessToken } = one;
    const withoutPlayer = (await signIn((await system.signUp()).login)).accessToken;
    for (const [token, id] of [
      [accessToken, other.player.gameId],
      ["nonsense", player.gameId],
      [withoutPlayer, player.gameId],
    ]) {
      const answer = await join({ accessToken: token, selectedProfile: id, serverId: "x1" });
      expect([answer.status, answer.json]).toEqual([403, invalidToken]);
    }
    expect((await hasJoined(other.player.name, "x1")).status).toBe(204);
  });

  test("it holds for 30 seconds, and no longer than the session", async () => {
    const { user, player, accessToken } = await arrive();
    const say = () => join({ accessToken, selectedProfile: player.gameId, serverId: "x2" });
    const age = (seconds: number) =>
      sql("update yggdrasil.joining set joined_at = now() - make_interval(secs => $2) where player_id = $1", [
        player.id,
        seconds,
      ]);
    await say();
    await age(31);
    expect((await hasJoined(player.name, "x2")).status).toBe(204);
    await say();
    await age(28);
    expect((await hasJoined(player.name, "x2")).status).toBe(200);
    await say();
    await user.call("DELETE", "/v1/auth/sessions?except=current");
    expect((await hasJoined(player.name, "x2")).status).toBe(204);
  });

  test("a server that says where its player comes from is answered only when that is so", async () => {
    const { player, accessToken } = one;
    await join({ accessToken, selectedProfile: player.gameId, serverId: "x3" });
    expect((await hasJoined(player.name, "x3", "&ip=203.0.113.9")).status).toBe(204);
    expect((await hasJoined(player.name, "x3", "&ip=127.0.0.1")).status).toBe(200);
  });

  test("a name in another case is not his: older servers call a player as he called himself", async () => {
    const { player, accessToken } = one;
    await join({ accessToken, selectedProfile: player.gameId, serverId: "x4" });
    expect((await hasJoined(player.name.toUpperCase(), "x4")).status).toBe(204);
    expect((await hasJoined(player.name, "x4")).status).toBe(200);
  });

  test("half a question is none", async () => {
    for (const query of [
      "",
      "?username=x",
      "?serverId=x",
      `?username=${"x".repeat(500)}&serverId=x`,
      "?username=x&serverId=%00",
    ])
      expect((await ask("GET", `/sessionserver/session/minecraft/hasJoined${query}`)).status).toBe(204);
  });
});

describe("players", () => {
  const profile = (id: string, query = "") => ask("GET", `/sessionserver/session/minecraft/profile/${id}${query}`);

  test("a profile is signed only for who asks for that", async () => {
    const { player } = one;
    for (const query of ["", "?unsigned=true"]) {
      const { status, headers, json: body } = await profile(player.gameId, query);
      expect([status, headers.get("content-type")]).toEqual([200, json]);
      expect(body.properties.some((one: any) => "signature" in one)).toBe(false);
      expect(readTextures(body)).toMatchObject({ profileId: player.gameId, profileName: player.name, textures: {} });
    }
    const { properties } = (await profile(player.id, "?unsigned=false")).json;
    for (const { value, signature } of properties) expect(isSigned(value, signature)).toBe(true);
    for (const id of ["0".repeat(32), "nonsense"]) expect((await profile(id)).status).toBe(204);
  });

  test("are found by their names, many at once", async () => {
    const { player } = one;
    const asked = [player.name.toLowerCase(), "Nobody_here", other.player.name];
    for (const path of ["/api/profiles/minecraft", "/minecraftservices/minecraft/profile/lookup/bulk/byname"]) {
      const { json: found } = await ask("POST", path, asked);
      expect(found).toHaveLength(2);
      expect(found).toContainEqual({ id: player.gameId, name: player.name });
    }
    expect((await ask("POST", "/api/profiles/minecraft", Array(101).fill("x"))).status).toBe(400);
    const byName = `/api/users/profiles/minecraft/${player.name}`;
    expect((await ask("GET", byName)).json).toEqual({ id: player.gameId, name: player.name });
    expect((await ask("GET", "/api/users/profiles/minecraft/Nobody_here")).status).toBe(204);
    const lookup = "/minecraftservices/minecraft/profile/lookup";
    expect((await ask("GET", `${lookup}/name/${player.name}`)).json.id).toBe(player.gameId);
    expect((await ask("GET", `${lookup}/${player.gameId}`)).json.name).toBe(player.name);
    expect((await ask("GET", `${lookup}/name/Nobody_here`)).status).toBe(404);
  });

  const sendSkin = (id: string, headers: Record<string, string>, model = "steve", kind = "skin", side = 64) => {
    const form = new FormData();
    form.append("model", model);
    form.append("file", new File([makePng({ width: side, height: side })], "skin.png", { type: "image/png" }));
    return fetch(`${system.url}/yggdrasil/api/user/profile/${id}/${kind}`, { method: "PUT", body: form, headers });
  };

  test("wear what their own account sends, and what nobody else does", async () => {
    const { player, accessToken } = one;
    for (const headers of [{}, bearer("nonsense"), { authorization: "Basic eA==" }]) {
      const answer = await sendSkin(player.gameId, headers as Record<string, string>);
      expect([answer.status, answer.headers.get("content-type")]).toEqual([401, json]);
    }
    const theirs = await sendSkin(player.gameId, bearer(other.accessToken));
    const nobodys = await sendSkin("0".repeat(32), bearer(other.accessToken));
    expect([theirs.status, nobodys.status]).toEqual([403, 403]);
    expect(await theirs.text()).toBe(await nobodys.text());
    expect(readTextures((await profile(player.gameId)).json).textures).toEqual({});

    expect((await sendSkin(player.gameId, bearer(accessToken), "slim")).status).toBe(204);
    const { textures } = readTextures((await profile(player.gameId)).json);
    expect(textures.SKIN.metadata).toEqual({ model: "slim" });
    const picture = await fetch(textures.SKIN.url);
    expect([picture.status, picture.headers.get("content-type")]).toEqual([200, "image/png"]);
    expect(textures.SKIN.url.split("/").at(-1)).toBe(sha256(await picture.bytes()));
    const own = await ask("GET", "/minecraftservices/minecraft/profile", undefined, bearer(accessToken));
    expect(own.json.skins).toMatchObject([{ state: "ACTIVE", url: textures.SKIN.url, variant: "SLIM" }]);

    const path = `/api/user/profile/${player.gameId}/skin`;
    expect((await ask("DELETE", path, undefined, bearer(other.accessToken))).status).toBe(403);
    expect((await ask("DELETE", path, undefined, bearer(accessToken))).status).toBe(204);
    expect(readTextures((await profile(player.gameId)).json).textures).toEqual({});
    expect((await sendSkin(player.gameId, bearer(accessToken), "steve", "elytra")).status).toBe(403);
  });

  test("a texture that is refused by its header uses up no change", async () => {
    const { player, accessToken } = await arrive();
    const answers = await Promise.all(
      Array.from({ length: 11 }, () => sendSkin(player.gameId, bearer(accessToken), "slim", "skin", 10)),
    );
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([400]));
  });
});

describe("what newer games ask", () => {
  const services = (method: string, path: string, token?: string) =>
    ask(method, `/minecraftservices${path}`, undefined, token === undefined ? {} : bearer(token));

  test("a player gets a pair of keys, signed for both generations of games, and the same again", async () => {
    const { player, accessToken } = one;
    expect((await services("POST", "/player/certificates")).status).toBe(401);
    const { status, json: certificate } = await services("POST", "/player/certificates", accessToken);
    expect(status).toBe(200);
    const { publicKey, privateKey } = certificate.keyPair;
    const read = (pem: string) => Buffer.from(pem.replace(/-----[A-Z ]+-----/g, "").replace(/\s/g, ""), "base64");
    const publicDer = read(publicKey);
    const pair = {
      open: createPublicKey({ key: publicDer, format: "der", type: "spki" }),
      seal: { key: read(privateKey), format: "der", type: "pkcs8" } as const,
    };
    expect(publicDecrypt(pair.open, privateEncrypt(pair.seal, Buffer.from("chat"))).toString()).toBe("chat");
    const end = new Date(certificate.expiresAt).getTime();
    expect(publicKey).toStartWith("-----BEGIN RSA PUBLIC KEY-----\n");
    expect(isSigned(`${end}${publicKey}`, certificate.publicKeySignature)).toBe(true);
    const bytes = Buffer.alloc(24);
    bytes.write(player.gameId, "hex");
    bytes.writeBigInt64BE(BigInt(end), 16);
    const second = Buffer.from(certificate.publicKeySignatureV2, "base64");
    expect(verify("sha1", Buffer.concat([bytes, publicDer]), key, second)).toBe(true);
    expect(new Date(certificate.refreshedAfter).getTime()).toBeLessThan(end);
    expect((await services("POST", "/player/certificates", accessToken)).json).toEqual(certificate);
    expect((await services("POST", "/player/certificates", other.accessToken)).json.keyPair).not.toEqual(
      certificate.keyPair,
    );
  });

  test("the keys that sign are told, and what a player may do is told to him", async () => {
    const { json: keys } = await services("GET", "/publickeys");
    const publicKey = key.export({ format: "der", type: "spki" }).toString("base64");
    expect(keys).toEqual({ profilePropertyKeys: [{ publicKey }], playerCertificateKeys: [{ publicKey }] });
    const { accessToken } = one;
    for (const path of ["/player/attributes", "/privileges"]) {
      expect((await services("GET", path)).status).toBe(401);
      expect((await services("GET", path, accessToken)).json.privileges.multiplayerServer).toEqual({ enabled: true });
    }
    expect((await services("GET", "/privacy/blocklist", accessToken)).json).toEqual({ blockedProfiles: [] });
    const nobody = (await signIn((await system.signUp()).login)).accessToken;
    expect((await services("GET", "/minecraft/profile", nobody)).status).toBe(404);
  });
});

test("a client that nobody here wrote signs in, refreshes, sends a skin and signs out", async () => {
  const { user, player } = one;
  const client = new YggdrasilThirdPartyClient(`${system.url}/yggdrasil`);
  const clientToken = "xmcl";
  const signedIn = await client.login({ username: user.login, password, clientToken, requestUser: true });
  expect(signedIn.selectedProfile).toEqual({ id: player.gameId, name: player.name });
  expect(await client.validate(signedIn.accessToken, clientToken)).toBe(true);
  const { accessToken } = await client.refresh({ accessToken: signedIn.accessToken, clientToken });
  expect(await client.validate(signedIn.accessToken, clientToken)).toBe(false);
  const place = { accessToken, uuid: player.gameId, type: "skin" as const };
  await client.setTexture({
    ...place,
    texture: { data: makePng({ width: 64, height: 32 }), metadata: { model: "steve" } },
  });
  const shown = await client.lookup(player.gameId, false);
  const textures = JSON.parse(Buffer.from(shown.properties.textures ?? "", "base64").toString());
  expect(textures.textures.SKIN.url).toStartWith(`${system.url}/textures/`);
  await client.setTexture(place);
  await expect(client.login({ username: user.login, password: "wrong", clientToken })).rejects.toMatchObject({
    statusCode: 403,
    ...invalidCredentials,
  });
  expect(await client.invalidate(accessToken, clientToken)).toBe(true);
  expect(await client.validate(accessToken, clientToken)).toBe(false);
});
