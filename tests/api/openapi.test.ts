import { afterAll, beforeAll, expect, test } from "bun:test";
import { Validator } from "@seriousme/openapi-schema-validator";
import { findForeignLoads, openTestApi, type TestApi } from "./open-test-api.ts";

let api: TestApi;
let document: any;
beforeAll(async () => {
  api = await openTestApi({ LIMIT_PACK_FILES: "1234" });
  document = (await api.call("GET", "/openapi/json")).json;
});
afterAll(() => api?.close());

test("the document is valid OpenAPI 3.1", async () => {
  expect(document.openapi).toStartWith("3.1.");
  const { valid, errors } = await new Validator().validate(structuredClone(document));
  expect(errors ?? []).toEqual([]);
  expect(valid).toBe(true);
});

const contract = [
  "POST /v1/auth/register",
  "POST /v1/auth/login",
  "GET /v1/packs",
  "POST /v1/packs",
  "PATCH /v1/packs/{slug}",
  "POST /v1/packs/{slug}/versions",
  "POST /v1/packs/{slug}/versions/{version}/publish",
  "GET /v1/packs/{slug}/versions/{version}/manifest",
  "GET /v1/packs/{slug}/diff/{from}/{to}",
  "POST /v1/uploads",
  "POST /v1/uploads/{id}/complete",
  "GET /v1/blobs/{sha256}",
  "POST /v1/blobs/urls",
  "POST /v1/files",
  "POST /v1/images",
  "POST /v1/images/{id}/complete",
  "GET /v1/images/{id}/{variant}",
  "PUT /v1/me/avatar",
  "GET /v1/users/{id}/avatar/{size}",
  "POST /v1/albums",
  "POST /v1/albums/{id}/shares",
  "POST /v1/shares/open",
  "GET /v1/events",
  "POST /v1/events",
  "PATCH /v1/events/{slug}/occurrences/{id}",
  "GET /v1/events/{slug}/availability",
  "GET /v1/jobs/{id}",
  "GET /v1/organizations/{slug}",
  "POST /v1/organizations/{slug}/invitations",
  "POST /v1/organizations/{slug}/transfer/accept",
  "PUT /v1/me/following/{kind}/{id}",
  "POST /v1/reports",
  "GET /readyz",
  "GET /.well-known/jwks.json",
  "GET /.well-known/oauth-authorization-server",
  "GET /.well-known/openid-configuration",
  "GET /oauth/authorize",
  "GET /oauth/logout",
  "GET /oauth/userinfo",
  "POST /oauth/device_authorization",
  "POST /oauth/token",
  "POST /oauth/revoke",
];

test.each(contract)("%s is described", (route) => {
  const [method = "", path = ""] = route.split(" ");
  expect(document.paths[path]?.[method.toLowerCase()]?.summary).toBeString();
});

test("every route of the program is described or hidden on purpose, and storage, operations and the viewer are hidden", () => {
  const paths = Object.keys(document.paths);
  expect(paths.filter((path) => /^\/(storage|ops|openapi)/.test(path))).toEqual([]);
  expect(paths.length).toBeGreaterThan(30);
});

type Operation = { path: string; method: string; operation: any };
const operations = (): Operation[] =>
  Object.entries<any>(document.paths).flatMap(([path, item]) =>
    Object.entries<any>(item).map(([method, operation]) => ({ path, method, operation })),
  );

test("operations have ids of their own, a summary, a tag, and the one description of problems", () => {
  const ids = operations().map(({ operation }) => operation.operationId);
  expect(new Set(ids).size).toBe(ids.length);
  const bare = operations().filter(
    ({ operation }) => !operation.summary || !operation.tags?.length || !operation.responses.default,
  );
  expect(bare.map(({ method, path }) => `${method} ${path}`)).toEqual([]);
  for (const { operation } of operations())
    expect(operation.responses.default).toEqual({ $ref: "#/components/responses/Problem" });
  expect(document.components.schemas.Problem.required).toContain("traceId");
});

test("bodies are JSON and nothing else, but for the forms of OAuth, the one with an image, and textures", () => {
  const withImages = /^\/v1\/(upload|me\/players\/\{id\}\/(skin|cape))$/;
  const types = (oauth: boolean) =>
    operations()
      .filter(({ path }) => path.startsWith("/oauth/") === oauth && !withImages.test(path))
      .flatMap(({ operation }) => Object.keys(operation.requestBody?.content ?? {}));
  expect([...new Set(types(false))]).toEqual(["application/json"]);
  expect(types(true)).toEqual(Array(3).fill("application/x-www-form-urlencoded"));
  expect(Object.keys(document.paths["/v1/upload"].post.requestBody.content)).toEqual(["multipart/form-data"]);
  const { schema } = document.paths["/v1/packs"].post.requestBody.content["application/json"];
  expect(schema.required).toContain("slug");
});

test("path parameters of the template are declared", () => {
  for (const { path, method, operation } of operations()) {
    const named = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1] ?? "");
    const declared = (operation.parameters ?? []).filter((one: any) => one.in === "path").map((one: any) => one.name);
    expect([`${method} ${path}`, ...declared.sort()]).toEqual([`${method} ${path}`, ...named.sort()]);
  }
});

test("the limits of this server are stated", () => {
  expect(document.info["x-limits"].LIMIT_PACK_FILES).toBe(1234);
  expect(document.info["x-limits"].LIMIT_BODY_BYTES).toBe(api.deps.config.LIMIT_BODY_BYTES);
  expect(document.info.description).toContain("| `LIMIT_PACK_FILES` | 1234 |");
  expect(JSON.stringify(document)).not.toContain("SECRET");
});

test("the viewer and all it loads come from this server", async () => {
  const page = await api.call("GET", "/openapi");
  expect(page.status).toBe(200);
  expect(page.headers.get("content-security-policy")).toStartWith("default-src 'none'");
  expect(findForeignLoads(page.text)).toEqual([]);
  expect(page.text).not.toMatch(/<script>|<style>|\son\w+=/);
  const assets = [...page.text.matchAll(/(?:src|href)="(\/[^"]+)"/g)].map((match) => match[1] ?? "");
  expect(assets.length).toBe(4);
  for (const path of assets) {
    const asset = await api.call("GET", path);
    expect([path, asset.status]).toEqual([path, 200]);
    expect(asset.headers.get("x-content-type-options")).toBe("nosniff");
    if (path.endsWith(".css")) expect(findForeignLoads(asset.text)).toEqual([]);
  }
  expect((await api.call("GET", "/openapi/assets/start.js")).text).toContain("validatorUrl: null");
  expect((await api.call("GET", "/openapi/assets/..%2fpackage.json")).status).toBe(404);
});
