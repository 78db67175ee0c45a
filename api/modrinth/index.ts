import { Elysia } from "elysia";
import manifest from "../../package.json" with { type: "json" };
import type { Api } from "../api.ts";
import { openMrpacks } from "./files.ts";
import { hashRoutes } from "./hash-routes.ts";
import { projectRoutes } from "./project-routes.ts";
import type { Lookups } from "./versions.ts";

/** Look-ups in the words of Modrinth's API v2 (docs.modrinth.com/api): which pack has this file, and is there a newer version? */
export function modrinth(api: Api) {
  const lookups: Lookups = { db: api.db, publicUrl: api.publicUrl, mrpacks: openMrpacks(api) };
  const hidden = { detail: { hide: true } };
  const about = () =>
    Response.json({
      about: "Sunduk, in the words of Modrinth's API",
      documentation: `${api.publicUrl()}/openapi`,
      name: "modrinth-labrinth",
      version: manifest.version,
    });
  return new Elysia()
    .get("/modrinth", about, hidden)
    .get("/modrinth/", about, hidden)
    .use(hashRoutes(api, lookups))
    .use(projectRoutes(api, lookups));
}
