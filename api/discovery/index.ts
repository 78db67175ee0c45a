import { Elysia } from "elysia";
import packageJson from "../../package.json" with { type: "json" };
import type { Api } from "../api.ts";
import { describe } from "../describe.ts";
import { Discovery } from "./model.ts";

/** Where each format begins; `{slug}` is a pack's. */
const formats = {
  manifest: "/v1/packs/{slug}/versions/{version}/manifest",
  files: "/v1/packs/{slug}/files.json",
  packwiz: "/p/{slug}/pack.toml",
  mrpack: "/p/{slug}/latest.mrpack",
  modrinth: "/modrinth/v2/",
  solder: "/solder/api/",
  helios: "/helios/distribution.json",
  hmcl: "/hmcl/{slug}/server-manifest.json",
  yggdrasil: "/yggdrasil/",
  openid: "/.well-known/openid-configuration",
};

/** What this server is, the public keys of its manifests, and which formats it speaks. */
export function discovery({ manifestSigner, publicUrl }: Pick<Api, "manifestSigner" | "publicUrl">) {
  return new Elysia({ tags: ["versions"] }).get(
    "/.well-known/sunduk.json",
    ({ set }) => {
      set.headers["cache-control"] = "public, max-age=60";
      const { version } = packageJson;
      return { version, publicUrl: publicUrl(), manifestKeys: manifestSigner.publicKeys, formats };
    },
    { detail: { summary: "This server: keys of its manifests, formats", responses: describe({ 200: Discovery }) } },
  );
}
