import { Elysia, t } from "elysia";
import { listBrokenPlaces, sumIntegrity } from "../../db/integrity.ts";
import { want } from "../../queues/mailbox.ts";
import { verifyStorage } from "../../queues/verify-storage.ts";
import type { Api } from "../api.ts";
import { noteAct } from "../audit.ts";
import { callers, requireRole } from "../caller.ts";
import { describe } from "../describe.ts";
import { Accepted } from "../uploads/model.ts";

const shown = 100;

const StorageIntegrity = t.Object({
  blobs: t.Integer(),
  bytes: t.Integer(),
  broken: t.Integer(),
  verifiedAt: t.Union([t.String(), t.Null()], {
    description: "Since then every object that is not broken was read and found right; null when there is none",
  }),
  items: t.Array(
    t.Object({
      sha256: t.String(),
      size: t.Integer(),
      reason: t.String({ description: "missing or changed" }),
      foundAt: t.String(),
      versions: t.Array(t.String(), { description: "Published versions that have it: slug and version" }),
    }),
    { description: "The first 100 that are broken" },
  ),
});

/** Verification of what is stored: what is broken, and reading it again now. */
export function integrity(api: Api) {
  return new Elysia({ prefix: "/v1/ops/storage", tags: ["ops"] })
    .use(callers(api))
    .get(
      "/verification",
      async ({ caller }) => {
        requireRole(caller, "admin", "ops");
        const [{ blobs, bytes, broken, verifiedAt }, places] = await Promise.all([
          sumIntegrity(api.db),
          listBrokenPlaces(api.db, shown),
        ]);
        const items = places.map(({ sizeBytes: size, flaw: reason, foundAt, ...place }) => ({
          ...place,
          size,
          reason,
          foundAt: foundAt.toISOString(),
        }));
        return { blobs, bytes, broken, verifiedAt: verifiedAt?.toISOString() ?? null, items };
      },
      { response: { 200: StorageIntegrity }, detail: { summary: "Stored objects that are missing or changed" } },
    )
    .post(
      "/verification",
      async ({ caller, body, request, status }) => {
        const operator = requireRole(caller, "admin", "ops");
        const full = body?.full ?? false;
        const payload = { scope: "all" as const, ...(full && { since: new Date().toISOString() }) };
        const message = await api.db.transaction(async (tx) => {
          await noteAct(tx, { caller: operator, request }, { action: "storage.verified", detail: { full } });
          return want(tx, verifyStorage, { payload, ownerId: operator.userId });
        });
        await api.mailbox.send(verifyStorage.name, message);
        return status(202, { job: { id: message.jobId, url: `/v1/jobs/${message.jobId}` } });
      },
      {
        body: t.Optional(
          t.Object(
            { full: t.Optional(t.Boolean({ description: "Read every object, not only those whose turn it is" })) },
            { additionalProperties: false },
          ),
        ),
        detail: { summary: "Verify the storage now", responses: describe({ 202: Accepted }) },
      },
    );
}
