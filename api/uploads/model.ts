import { Type as t } from "@sinclair/typebox";

export const Sha256 = t.String({ pattern: "^[0-9a-f]{64}$", description: "SHA-256, 64 lower-case hexadecimal digits" });
export const UploadParams = t.Object({ id: t.String({ format: "uuid" }) });

export const NewUpload = t.Object(
  {
    sha256: Sha256,
    size: t.Integer({ minimum: 0, description: "Bytes" }),
    name: t.String({ minLength: 1, maxLength: 255 }),
  },
  { additionalProperties: false },
);

const Headers = t.Record(t.String(), t.String());
const Part = t.Object({
  number: t.Integer(),
  offset: t.Integer(),
  sizeBytes: t.Integer(),
  method: t.Literal("PUT"),
  url: t.String(),
  headers: Headers,
});

export const Upload = t.Object({
  id: t.String(),
  state: t.Union([t.Literal("waiting"), t.Literal("verifying"), t.Literal("verified"), t.Literal("rejected")]),
  sha256: t.String(),
  size: t.Integer(),
  name: t.String(),
  reason: t.Optional(t.String()),
  expiresAt: t.String(),
  method: t.Optional(t.Literal("PUT")),
  url: t.Optional(t.String()),
  headers: t.Optional(Headers),
  partBytes: t.Optional(t.Integer()),
  parts: t.Optional(t.Array(Part, { description: "Parts that have not arrived yet" })),
});
export type Upload = typeof Upload.static;

export const AlreadyThere = t.Object({ state: t.Literal("verified"), sha256: t.String(), size: t.Integer() });
export const JobLink = t.Object({ id: t.String(), url: t.String() });
export const Accepted = t.Object({ job: JobLink });
export const UploadAccepted = t.Object({ id: t.String(), state: t.String(), job: JobLink });
