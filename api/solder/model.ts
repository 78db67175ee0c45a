import { Type as t } from "@sinclair/typebox";
import { Line } from "../me/model.ts";
import { Slug } from "../packs/model.ts";
import { PageQuery } from "../pages.ts";

const strict = { additionalProperties: false } as const;
const Time = t.String({ format: "date-time" });

export const NewSolderKey = t.Object(
  {
    name: Line({ minLength: 1, maxLength: 100, description: "Which a platform is told when it asks whose key it is" }),
  },
  strict,
);
export const SolderKey = t.Object({
  id: t.String(),
  name: t.String(),
  createdAt: Time,
  usedAt: t.Union([Time, t.Null()]),
});
export type SolderKey = typeof SolderKey.static;
export const MadeSolderKey = t.Object({ ...SolderKey.properties, key: t.String({ description: "Shown only now" }) });
export const SolderKeys = t.Object({ items: t.Array(SolderKey) });
export const SolderKeyParams = t.Object({ id: t.String({ format: "uuid" }) });

export const ClientParams = t.Object({ slug: Slug, uuid: t.String({ format: "uuid" }) });
export const ClientsQuery = t.Object(PageQuery, strict);
export const NamedClient = t.Object(
  { name: Line({ maxLength: 100, description: "Whose launcher it is, to tell it from others" }) },
  strict,
);
export const SolderClient = t.Object({ uuid: t.String(), name: t.String(), createdAt: Time });
export type SolderClient = typeof SolderClient.static;
export const SolderClients = t.Object({
  items: t.Array(SolderClient),
  nextCursor: t.Union([t.String(), t.Null()]),
});
