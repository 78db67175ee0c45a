import { Type as t } from "@sinclair/typebox";

export const Discovery = t.Object({
  version: t.String({ description: "Of Sunduk" }),
  publicUrl: t.String(),
  manifestKeys: t.Array(
    t.Object({
      id: t.String(),
      algorithm: t.Literal("Ed25519"),
      publicKey: t.String({ description: "32 bytes (RFC 8032), base64url" }),
    }),
    { description: "Newest first; none where manifests are not signed" },
  ),
  formats: t.Record(t.String(), t.String(), { description: "Where each begins" }),
});
