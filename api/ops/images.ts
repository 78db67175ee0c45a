import { Elysia, t } from "elysia";
import { backfillImages } from "../../queues/backfill-images.ts";
import { want } from "../../queues/mailbox.ts";
import type { Api } from "../api.ts";
import { callers, requireRole } from "../caller.ts";
import { describe } from "../describe.ts";
import { Accepted } from "../uploads/model.ts";

const Which = t.Union([t.Literal("missing"), t.Literal("all")], {
  description: "What images lack, or all of them again",
});

/** Making variants of images that are here already. */
export function images(api: Api) {
  return new Elysia({ prefix: "/v1/ops/images", tags: ["ops"] }).use(callers(api)).post(
    "/render",
    async ({ caller, body, status }) => {
      const { userId } = requireRole(caller, "admin", "ops");
      const before = body.which === "all" ? { before: new Date().toISOString() } : {};
      const message = await want(api.db, backfillImages, { payload: { scope: "all", ...before }, ownerId: userId });
      await api.mailbox.send(backfillImages.name, message);
      return status(202, { job: { id: message.jobId, url: `/v1/jobs/${message.jobId}` } });
    },
    {
      body: t.Object({ which: Which }, { additionalProperties: false }),
      detail: { summary: "Make variants of images that are here already", responses: describe({ 202: Accepted }) },
    },
  );
}
