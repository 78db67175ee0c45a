import { type Static, type TSchema, Type as t } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { Fault } from "../../fault.ts";

/** So many hashes or ids may be asked for at once. */
const mostAtOnce = 1_000;

const Hashes = t.Array(t.String({ maxLength: 128 }), { maxItems: mostAtOnce });
const Algorithm = t.Union([t.Literal("sha1"), t.Literal("sha512")]);
export type Algorithm = Static<typeof Algorithm>;

const MaybeTexts = t.Optional(
  t.Union([t.Array(t.String({ maxLength: 64 }), { maxItems: 100 }), t.Null(), t.Undefined()]),
);
const filter = { loaders: MaybeTexts, game_versions: MaybeTexts, version_types: MaybeTexts };

/** Which versions an update may be; what is left out excludes none. */
export const Filter = t.Object(filter);
export type Filter = Static<typeof Filter>;

const MaybeAlgorithm = t.Optional(t.Union([Algorithm, t.Null()]));
export const HashesBody = t.Object({ hashes: Hashes, algorithm: MaybeAlgorithm });
export const UpdateBody = t.Object({ hashes: Hashes, algorithm: MaybeAlgorithm, ...filter });
export const IndividualBody = t.Object({
  algorithm: MaybeAlgorithm,
  hashes: t.Array(t.Object({ hash: t.String({ maxLength: 128 }), ...filter }), { maxItems: mostAtOnce }),
});

/** What was sent, as its schema says; members that nobody reads are passed over, as Modrinth does. Throws `malformed`. */
export function read<Schema extends TSchema>(schema: Schema, value: unknown): Static<Schema> {
  if (Value.Check(schema, value)) return value;
  const [first] = Value.Errors(schema, value);
  throw new Fault("malformed", `Cannot read the request: ${first?.path || "it"} is not as described`);
}

const Texts = t.Array(t.String({ maxLength: 64 }), { maxItems: mostAtOnce });

/** A parameter that holds a JSON array of texts. Throws `malformed`. */
export function readTexts(parameters: URLSearchParams, name: string): string[] | undefined {
  const text = parameters.get(name);
  if (text === null) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new Fault("malformed", `Cannot read "${name}": it is no JSON array`, { cause });
  }
  return read(Texts, value);
}

const hashForms = { sha1: /^[0-9a-f]{40}$/, sha512: /^[0-9a-f]{128}$/ } as const;

/** Hashes in small letters and their algorithm: by the first one's length where none is named. Those of another form are left out. */
export function readHashes(given: string[], algorithm?: Algorithm | null): { algorithm: Algorithm; hashes: string[] } {
  const named = algorithm ?? ((given[0]?.length ?? 0) >= 128 ? "sha512" : "sha1");
  const hashes = [...new Set(given.map((hash) => hash.toLowerCase()))].filter((hash) => hashForms[named].test(hash));
  return { algorithm: named, hashes };
}

/** The algorithm that a parameter names. Throws `malformed`. */
export function readAlgorithm(parameters: URLSearchParams): Algorithm | undefined {
  const named = parameters.get("algorithm");
  return named === null ? undefined : read(Algorithm, named.toLowerCase());
}

/** A parameter that holds a count. Throws `malformed`. */
export function readCount(parameters: URLSearchParams, name: string): number | undefined {
  const text = parameters.get(name);
  if (text === null) return undefined;
  if (!/^\d{1,6}$/.test(text)) throw new Fault("malformed", `Cannot read "${name}": it is no count`);
  return Number(text);
}
