import { dirname, join } from "node:path";
import { type AnyElysia, Elysia } from "elysia";
import type { Config } from "../../config.ts";
import { describeApi } from "./document.ts";

const hidden = { detail: { hide: true } };
const policy =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const page = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Sunduk API</title>
<link rel="stylesheet" href="/openapi/assets/swagger-ui.css"><link rel="icon" href="/openapi/assets/favicon-32x32.png">
</head><body><div id="viewer"></div>
<script src="/openapi/assets/swagger-ui-bundle.js"></script><script src="/openapi/assets/start.js"></script>
</body></html>`;
const start = `SwaggerUIBundle({ url: "/openapi/json", dom_id: "#viewer", deepLinking: true, validatorUrl: null });\n`;

/** The document of the API at /openapi/json and its viewer at /openapi, all from our own disk. `mounted` says what there is. */
export function openapi(config: Config, mounted: () => AnyElysia) {
  const viewer = dirname(Bun.resolveSync("swagger-ui-dist/package.json", import.meta.dir));
  const asset = (name: string) => () =>
    new Response(Bun.file(join(viewer, name)), { headers: { "cache-control": "public, max-age=3600" } });
  let made: Promise<string> | undefined;
  return new Elysia({ prefix: "/openapi" })
    .get(
      "",
      () =>
        new Response(page, {
          headers: {
            "content-type": "text/html; charset=utf-8",
            "cache-control": "public, max-age=300",
            "content-security-policy": policy,
          },
        }),
      hidden,
    )
    .get(
      "/json",
      async () => {
        made ??= describeApi(mounted(), config).then((document) => JSON.stringify(document));
        const headers = {
          "content-type": "application/json",
          "cache-control": "public, max-age=300",
          "access-control-allow-origin": "*",
        };
        return new Response(await made, { headers });
      },
      hidden,
    )
    .get(
      "/assets/start.js",
      () =>
        new Response(start, {
          headers: { "content-type": "text/javascript; charset=utf-8", "cache-control": "public, max-age=300" },
        }),
      hidden,
    )
    .get("/assets/swagger-ui.css", asset("swagger-ui.css"), hidden)
    .get("/assets/swagger-ui-bundle.js", asset("swagger-ui-bundle.js"), hidden)
    .get("/assets/favicon-32x32.png", asset("favicon-32x32.png"), hidden);
}
