import { Elysia } from "elysia";
import type { Api } from "../api.ts";
import { callers, requireCaller } from "../caller.ts";
import { AvatarAccepted, AvatarParams, NewAvatar } from "./model.ts";
import { changeAvatar, findAvatar, removeAvatar } from "./service.ts";

/** Avatars: a square of a picture, shown to everybody. */
export function avatars(api: Api) {
  return new Elysia({ prefix: "/v1", tags: ["images"] })
    .use(callers(api))
    .put(
      "/me/avatar",
      async ({ body, caller, set, status }) => {
        const { id, jobId } = await changeAvatar(api, { caller: requireCaller(caller), ...body });
        set.headers["cache-control"] = "private, no-store";
        return status(202, { id, state: "processing" as const, job: { id: jobId, url: `/v1/jobs/${jobId}` } });
      },
      {
        body: NewAvatar,
        response: { 202: AvatarAccepted },
        detail: { summary: "Make an avatar of one of your pictures" },
      },
    )
    .delete(
      "/me/avatar",
      async ({ caller, status }) => {
        await removeAvatar(api, requireCaller(caller));
        return status(204, undefined);
      },
      { detail: { summary: "Remove your avatar" } },
    )
    .get("/users/:id/avatar/:size", ({ params }) => answer(params), {
      params: AvatarParams,
      detail: {
        summary: "Redirect to the avatar that somebody has now",
        responses: { 307: { description: "Location is the image, which a newer avatar does not change" } },
      },
    })
    .head("/users/:id/avatar/:size", ({ params }) => answer(params), { params: AvatarParams, detail: { hide: true } });

  async function answer({ id, size }: typeof AvatarParams.static): Promise<Response> {
    const location = (await findAvatar(api.db, id))[size];
    return new Response(null, { status: 307, headers: { location, "cache-control": "no-store" } });
  }
}
