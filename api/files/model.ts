import { Type as t } from "@sinclair/typebox";
import { Access } from "../packs/model.ts";
import { PageQuery } from "../pages.ts";
import { Sha256 } from "../uploads/model.ts";

const strict = { additionalProperties: false } as const;

export const FileName = t.String({
  pattern: "^[^\\u0000-\\u001f\\u007f-\\u009f/\\\\]{1,255}$",
  description: "1 to 255 characters, neither control characters nor / and \\",
});
export const FileVisibility = t.Union([t.Literal("private"), t.Literal("public")]);
export const FileParams = t.Object({ id: t.String({ format: "uuid" }) });

export const NewFile = t.Object(
  { sha256: Sha256, name: FileName, visibility: t.Optional(FileVisibility), access: t.Optional(Access) },
  strict,
);
export type NewFile = typeof NewFile.static;

export const FileChange = t.Object(
  { name: t.Optional(FileName), visibility: t.Optional(FileVisibility), access: t.Optional(Access) },
  { ...strict, minProperties: 1 },
);
export type FileChange = typeof FileChange.static;

export const FileQuery = t.Object(
  { query: t.Optional(t.String({ maxLength: 200, description: "Part of the name" })), ...PageQuery },
  strict,
);

export const File = t.Object({
  id: t.String(),
  name: t.String(),
  sha256: t.String(),
  size: t.Integer({ description: "Bytes" }),
  visibility: FileVisibility,
  owner: t.String(),
  access: t.Optional(
    t.Object(
      { users: t.Array(t.String()), roles: t.Array(t.String()) },
      { description: "Who else may read it: told to its owner and to admins" },
    ),
  ),
  content: t.String({ description: "Address of the bytes" }),
  createdAt: t.String(),
  updatedAt: t.String(),
});
export type File = typeof File.static;
export const Files = t.Object({ items: t.Array(File), nextCursor: t.Union([t.String(), t.Null()]) });
