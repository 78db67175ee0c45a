import { Elysia } from "elysia";
import { writeShortId } from "../../formats/modrinth.ts";
import type { Api } from "../api.ts";
import { answerModrinth } from "./answers.ts";
import { readCount, readTexts } from "./model.ts";
import { findProject, findProjects, listProjectVersions, renderProject } from "./projects.ts";
import { findByShortIds, type Lookups, renderVersions, shorten } from "./versions.ts";

const mostAtOnce = 100;
const root = "/modrinth/v2";

/** Packs as projects, and their versions. */
export function projectRoutes(api: Api, lookups: Lookups) {
  const hidden = { detail: { hide: true } };
  return new Elysia()
    .get(
      `${root}/project/:id`,
      ({ params: { id }, request, server }) =>
        answerModrinth(api, { request, server }, async (caller) => {
          const pack = await findProject(lookups, { caller, name: id });
          return pack && renderProject(lookups, pack);
        }),
      hidden,
    )
    .get(
      `${root}/project/:id/check`,
      ({ params: { id }, request, server }) =>
        answerModrinth(api, { request, server }, async (caller) => {
          const pack = await findProject(lookups, { caller, name: id });
          return pack && { id: writeShortId(pack.id) };
        }),
      hidden,
    )
    .get(
      `${root}/project/:id/version`,
      ({ params: { id }, request, server }) =>
        answerModrinth(api, { request, server }, async (caller) => {
          const project = await findProject(lookups, { caller, name: id });
          if (!project) return undefined;
          const { searchParams } = new URL(request.url);
          const filter = {
            loaders: readTexts(searchParams, "loaders"),
            game_versions: readTexts(searchParams, "game_versions"),
            version_types: searchParams.get("version_type")?.split(","),
          };
          return listProjectVersions(lookups, {
            caller,
            project,
            filter,
            limit: readCount(searchParams, "limit"),
            offset: readCount(searchParams, "offset"),
          });
        }),
      hidden,
    )
    .get(
      `${root}/projects`,
      ({ request, server }) =>
        answerModrinth(api, { request, server }, async (caller) => {
          const names = (readTexts(new URL(request.url).searchParams, "ids") ?? []).slice(0, mostAtOnce);
          const packs = await findProjects(lookups, { caller, names });
          return Promise.all(packs.map((pack) => renderProject(lookups, pack)));
        }),
      hidden,
    )
    .get(
      `${root}/version/:id`,
      ({ params: { id }, request, server }) =>
        answerModrinth(api, { request, server }, async (caller) => {
          const versions = await findByShortIds(lookups, { caller, ids: [id] });
          return (await renderVersions(lookups, { caller, versions }))[0];
        }),
      hidden,
    )
    .get(
      `${root}/versions`,
      ({ request, server }) =>
        answerModrinth(api, { request, server }, async (caller) => {
          const ids = (readTexts(new URL(request.url).searchParams, "ids") ?? []).slice(0, mostAtOnce);
          const versions = await findByShortIds(lookups, { caller, ids });
          return (await renderVersions(lookups, { caller, versions })).map(shorten);
        }),
      hidden,
    );
}
