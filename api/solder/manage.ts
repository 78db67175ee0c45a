import { Elysia } from "elysia";
import type { Api } from "../api.ts";
import { callers, requireCaller } from "../caller.ts";
import { SlugParams } from "../packs/model.ts";
import { linkNext } from "../pages.ts";
import { admitClient, getClient, removeClient, searchClients } from "./clients.ts";
import { createSolderKey, endSolderKey, showSolderKeys } from "./keys.ts";
import {
  ClientParams,
  ClientsQuery,
  MadeSolderKey,
  NamedClient,
  NewSolderKey,
  SolderClient,
  SolderClients,
  SolderKeyParams,
  SolderKeys,
} from "./model.ts";

/** Who may read through Solder: keys of people, and installations of launchers. */
export function manageSolder(api: Api) {
  return new Elysia({ tags: ["solder"] })
    .use(callers(api))
    .get("/v1/me/solder-keys", async ({ caller }) => ({ items: await showSolderKeys(api, requireCaller(caller)) }), {
      response: { 200: SolderKeys },
      detail: { summary: "Your keys for Solder" },
    })
    .post(
      "/v1/me/solder-keys",
      // No Idempotency-Key: the kept answer would hold the key.
      async ({ body, caller, status }) =>
        status(201, await createSolderKey(api, { caller: requireCaller(caller), ...body })),
      {
        body: NewSolderKey,
        response: { 201: MadeSolderKey },
        detail: { summary: "Make a key for Solder, shown once: it sees the packs that you see" },
      },
    )
    .delete(
      "/v1/me/solder-keys/:id",
      async ({ params, caller, status }) => {
        await endSolderKey(api, { caller: requireCaller(caller), id: params.id });
        return status(204, undefined);
      },
      { params: SolderKeyParams, detail: { summary: "End a key for Solder at once" } },
    )
    .get(
      "/v1/packs/:slug/clients",
      async ({ params: { slug }, query, caller, request, set }) => {
        const page = await searchClients(api, { caller: requireCaller(caller), slug, ...query });
        Object.assign(set.headers, linkNext(request, page.nextCursor));
        return page;
      },
      {
        params: SlugParams,
        query: ClientsQuery,
        response: { 200: SolderClients },
        detail: { summary: "Installations of launchers that may read the pack through Solder" },
      },
    )
    .get(
      "/v1/packs/:slug/clients/:uuid",
      ({ params, caller }) => getClient(api, { caller: requireCaller(caller), ...params }),
      { params: ClientParams, response: { 200: SolderClient }, detail: { summary: "One of them" } },
    )
    .put(
      "/v1/packs/:slug/clients/:uuid",
      ({ params, body, caller }) => admitClient(api, { caller: requireCaller(caller), ...params, ...body }),
      {
        params: ClientParams,
        body: NamedClient,
        response: { 200: SolderClient },
        detail: { summary: "Let an installation read the pack, or name it anew" },
      },
    )
    .delete(
      "/v1/packs/:slug/clients/:uuid",
      async ({ params, caller, status }) => {
        await removeClient(api, { caller: requireCaller(caller), ...params });
        return status(204, undefined);
      },
      { params: ClientParams, detail: { summary: "Shut an installation out" } },
    );
}
