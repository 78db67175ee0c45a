import { type Static, Type as t } from "@sinclair/typebox";
import { TypeCompiler } from "@sinclair/typebox/compiler";
import type { Config } from "./config.ts";
import { Fault } from "./fault.ts";

const name = t.Union([t.Literal("fabric"), t.Literal("quilt")]);
// These stand in addresses, and in paths that launchers make of them.
const part = "[A-Za-z0-9_+-]+(\\.[A-Za-z0-9_+-]+)*";
const version = t.String({ pattern: `^${part}$`, maxLength: 64 });

/** A loader that its makers tell about by HTTP, for one version of Minecraft. */
export const LoaderKey = t.Object({ name, version, minecraft: version });
export type LoaderKey = Static<typeof LoaderKey>;

const LoaderProfile = t.Object({
  id: t.String({ pattern: `^${part}$`, maxLength: 160 }),
  inheritsFrom: t.String(),
  mainClass: t.String({ minLength: 1 }),
  arguments: t.Object({ game: t.Optional(t.Array(t.Unknown())), jvm: t.Optional(t.Array(t.Unknown())) }),
  libraries: t.Array(
    t.Object({
      /** Its Maven coordinate: group, artifact, version, and a classifier where there is one. */
      name: t.String({ pattern: `^${part}(:${part}){2,3}$`, maxLength: 300 }),
      /** The repository that holds it. */
      url: t.String({ pattern: "^https?://[^\\s?#]+$", maxLength: 300 }),
      md5: t.Optional(t.String({ pattern: "^[0-9a-fA-F]{32}$" })),
      size: t.Optional(t.Integer({ minimum: 0 })),
    }),
    { maxItems: 500 },
  ),
});

/** What a launcher starts a loader by: its main class and its libraries. */
export type LoaderProfile = Static<typeof LoaderProfile>;

const checkKey = TypeCompiler.Compile(LoaderKey);
const checkProfile = TypeCompiler.Compile(LoaderProfile);

/** Where each of them is told about and kept, for everybody. */
export const loaderHosts = {
  fabric: {
    meta: "https://meta.fabricmc.net",
    api: "v2",
    maven: "https://maven.fabricmc.net",
    library: "net.fabricmc:fabric-loader",
  },
  quilt: {
    meta: "https://meta.quiltmc.org",
    api: "v3",
    maven: "https://maven.quiltmc.org/repository/release",
    library: "org.quiltmc:quilt-loader",
  },
} as const;

/** Whether it names a loader as they do, so that it may stand in an address. */
export const isLoaderKey = (key: { [Name in keyof LoaderKey]: string }): key is LoaderKey => checkKey.Check(key);

/** Where the operator lets us ask about this loader; undefined when it is switched off. */
export function findMeta(
  { FABRIC_META_URL, QUILT_META_URL }: Pick<Config, "FABRIC_META_URL" | "QUILT_META_URL">,
  loader: LoaderKey["name"],
): string | undefined {
  const url = loader === "fabric" ? FABRIC_META_URL : QUILT_META_URL;
  return url === "off" ? undefined : url.replace(/\/+$/, "");
}

/** The address of a profile at a host that tells about the loader (meta.fabricmc.net v2, meta.quiltmc.org v3). */
export const profileAddress = (meta: string, key: LoaderKey) =>
  `${meta}/${loaderHosts[key.name].api}/versions/loader/${key.minecraft}/${key.version}/profile/json`;

/** The coordinate of a loader's own library. */
export const loaderLibrary = (key: LoaderKey) => `${loaderHosts[key.name].library}:${key.version}`;

/** A profile out of its bytes. Throws Fault `not-allowed` when they are something else, or of another loader. */
export function readProfile(bytes: Uint8Array, key: LoaderKey): LoaderProfile {
  const refuse = (what: string, cause?: unknown) =>
    new Fault("not-allowed", `Cannot use the profile of ${key.name} ${key.version}: ${what}`, { cause });
  const found = parse(bytes);
  if (!checkProfile.Check(found)) throw refuse("it is no profile", checkProfile.Errors(found).First());
  if (found.inheritsFrom !== key.minecraft || !found.libraries.some((library) => library.name === loaderLibrary(key)))
    throw refuse("it is of another loader, or for another version of Minecraft");
  return found;
}

function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return undefined;
  }
}
