import { Elysia, t } from "elysia";
import { listBrokenFiles, sumVersionIntegrity } from "../../db/integrity.ts";
import type { Api } from "../api.ts";
import { callers } from "../caller.ts";
import { VersionParams } from "./model.ts";
import { getPublished } from "./service.ts";

const Flaw = t.Union([t.Literal("missing"), t.Literal("changed")], { description: "What the stored bytes are" });
const shown = 1_000;

const Integrity = t.Object({
  version: t.String(),
  state: t.Union([t.Literal("intact"), t.Literal("broken")]),
  stored: t.Integer({ description: "Files whose bytes are kept here" }),
  references: t.Integer({ description: "Files whose bytes are elsewhere: not looked at" }),
  verifiedAt: t.Union([t.String(), t.Null()], {
    description: "Since then every stored file that is not broken was read and found right; null where none is stored",
  }),
  broken: t.Array(t.Object({ path: t.String(), sha256: t.String(), reason: Flaw, foundAt: t.String() }), {
    description: "The first 1,000",
  }),
});

/** What is known of a version's stored bytes: they are read again by themselves, and broken ones are served to nobody. */
export function integrity({ db, identify }: Pick<Api, "db" | "identify">) {
  return new Elysia().use(callers({ identify })).get(
    "/versions/:version/verify",
    async ({ params, caller }) => {
      const { row } = await getPublished({ db }, { caller, ...params });
      const [{ verifiedAt, ...counts }, broken] = await Promise.all([
        sumVersionIntegrity(db, row.id),
        listBrokenFiles(db, { versionId: row.id, most: shown }),
      ]);
      return {
        version: row.version,
        state: broken.length > 0 ? ("broken" as const) : ("intact" as const),
        ...counts,
        verifiedAt: verifiedAt?.toISOString() ?? null,
        broken: broken.map(({ path, sha256, flaw, foundAt }) => ({
          path,
          sha256,
          reason: flaw,
          foundAt: foundAt.toISOString(),
        })),
      };
    },
    {
      params: VersionParams,
      response: { 200: Integrity },
      detail: { summary: "Whether the stored bytes of a version are there and right" },
    },
  );
}
