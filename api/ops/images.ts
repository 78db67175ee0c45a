import { Elysia, t } from "elysia";
import { backfillImages } from "../../queues/backfill-images.ts";
import { want } from "../../queues/mailbox.ts";
import type { Api } from "../api.ts";
import { noteAct } from "../audit.ts";
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
    async ({ caller, body, request, status }) => {
      const operator = requireRole(caller, "admin", "ops");
      const before = body.which === "all" ? { before: new Date().toISOString() } : {};
      const payload = { scope: "all" as const, ...before };
      const message = await api.db.transaction(async (tx) => {
        await noteAct(tx, { caller: operator, request }, { action: "images.rendered", subject: body.which });
        return want(tx, backfillImages, { payload, ownerId: operator.userId });
      });
      await api.mailbox.send(backfillImages.name, message);
      return status(202, { job: { id: message.jobId, url: `/v1/jobs/${message.jobId}` } });
    },
    {
      body: t.Object({ which: Which }, { additionalProperties: false }),
      detail: { summary: "Make variants of images that are here already", responses: describe({ 202: Accepted }) },
    },
  );
}
