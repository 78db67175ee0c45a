import { Elysia } from "elysia";
import type { Api } from "../api.ts";
import { callers, requireCaller } from "../caller.ts";
import { describe } from "../describe.ts";
import { answerOnce } from "../idempotency.ts";
import { AlreadyThere, NewUpload, Upload, UploadAccepted, UploadParams } from "./model.ts";
import { completeUpload, getUpload, isAlreadyThere, openUpload } from "./service.ts";

/** Uploads: bytes go straight to storage; here they are asked for, completed and watched. */
export function uploads(api: Api) {
  return new Elysia({ prefix: "/v1/uploads", tags: ["uploads"] })
    .use(callers(api))
    .post(
      "",
      async ({ body, caller, request }) => {
        const owner = requireCaller(caller);
        return answerOnce({ db: api.db, request, caller: owner, body }, async () => {
          if (await isAlreadyThere(api, { caller: owner, ...body }))
            return { status: 200, body: { state: "verified", sha256: body.sha256, size: body.size } };
          const upload = await openUpload(api, { caller: owner, ...body });
          return { status: 201, body: upload, headers: { location: `/v1/uploads/${upload.id}` } };
        });
      },
      {
        body: NewUpload,
        detail: { summary: "Ask where to send a file", responses: describe({ 200: AlreadyThere, 201: Upload }) },
      },
    )
    .get("/:id", ({ params, caller }) => getUpload(api, { caller: requireCaller(caller), id: params.id }), {
      params: UploadParams,
      response: { 200: Upload },
      detail: { summary: "State of an upload, and what has not arrived yet" },
    })
    .post(
      "/:id/complete",
      async ({ params, caller, status }) => {
        const { state, jobId } = await completeUpload(api, { caller: requireCaller(caller), id: params.id });
        return status(202, { id: params.id, state, job: { id: jobId, url: `/v1/jobs/${jobId}` } });
      },
      {
        params: UploadParams,
        response: { 202: UploadAccepted },
        detail: { summary: "Hand the bytes over to be verified" },
      },
    );
}
