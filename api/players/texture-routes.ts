import { Elysia } from "elysia";
import { Fault } from "../../fault.ts";
import type { Api } from "../api.ts";
import { isUnchanged } from "../etag.ts";
import { openKnownTextures } from "./known-textures.ts";
import { TextureParams } from "./model.ts";

/** Skins and capes for games: named by their digest, and so the same for ever. */
export function textures(api: Pick<Api, "db" | "storage">) {
  const known = openKnownTextures(api);
  const give = async ({ params, request }: { params: { sha256: string }; request: Request }): Promise<Response> => {
    const body = await known.find(params.sha256);
    if (!body) throw new Fault("not-found", "There is no such texture that a player wears");
    const headers = {
      etag: `"${params.sha256}"`,
      "cache-control": "public, max-age=31536000, immutable",
      "content-type": "image/png",
      "content-security-policy": "sandbox; default-src 'none'",
      // Pages that show a player in three dimensions draw it on a canvas.
      "access-control-allow-origin": "*",
    };
    if (isUnchanged(request, headers.etag)) return new Response(null, { status: 304, headers });
    return new Response(body, { headers });
  };
  return new Elysia({ prefix: "/textures", tags: ["players"] })
    .get("/:sha256", give, { params: TextureParams, detail: { summary: "A skin or a cape, as PNG" } })
    .head("/:sha256", give, { params: TextureParams, detail: { hide: true } });
}
