import { Elysia } from "elysia";
import type { PackRow } from "../../db/pack.ts";
import { Fault } from "../../fault.ts";
import type { Api } from "../api.ts";
import { describe } from "../describe.ts";
import { SlugParams } from "../packs/model.ts";
import { describeDownload } from "./archives.ts";
import { describeVersion } from "./describe.ts";
import { makeBody } from "./give.ts";
import { LatestQuery, ManifestSignatures, Version, VersionParams } from "./model.ts";
import { getLatest, getPublished, readManifest } from "./service.ts";

const isPublic = ({ visibility, role }: PackRow) => visibility === "public" && role === null;

const json = { type: "application/json" };

/** What a pack shows changes at any time, so caches ask each time; nobody but the caller may keep what is not public. */
export const headCache = (pack: PackRow) => (isPublic(pack) ? "public, no-cache" : "private, no-cache");

/**
 * What every launcher asks for again and again: the newest version and a manifest. Where the pack is public, callers
 * without a token are answered from memory; so these routes find out who calls only when it matters.
 */
export function heads(api: Api) {
  return new Elysia()
    .get(
      "/latest",
      ({ params: { slug }, query: { channel = "release" }, request, server }) =>
        api.give({ request, server }, { slug, path: `latest/${channel}` }, async ({ caller }) => {
          const { pack, row } = await getLatest(api, { caller, slug, channel });
          const text = JSON.stringify(describeVersion(pack.slug, row));
          const etag = `"${new Bun.CryptoHasher("sha256").update(text).digest("hex")}"`;
          return { body: new Blob([text], json), etag, isPublic: isPublic(pack) };
        }),
      {
        params: SlugParams,
        query: LatestQuery,
        detail: {
          summary: "Newest version of a channel that is not yanked",
          responses: describe({ 200: Version }),
        },
      },
    )
    .get(
      "/versions/:version/manifest",
      ({ params: { slug, version }, request, server }) =>
        api.give({ request, server }, { slug, path: `versions/${version}/manifest` }, async ({ caller }) => {
          const found = await getPublished(api, { caller, slug, version });
          const { bytes, etag, headers } = await readManifest(api, found);
          const download = describeDownload(found, "native");
          return { body: new Blob([bytes], json), etag, isPublic: isPublic(found.pack), download, headers };
        }),
      { params: VersionParams, detail: { summary: "The native manifest, frozen" } },
    )
    .get(
      "/versions/:version/manifest.sig",
      ({ params: { slug, version }, request, server }) =>
        api.give({ request, server }, { slug, path: `versions/${version}/manifest.sig` }, async ({ caller }) => {
          const found = await getPublished(api, { caller, slug, version });
          const { signatures } = await readManifest(api, found);
          if (signatures.length === 0)
            throw new Fault("not-implemented", "Not possible on this server: its operator has not set MANIFEST_KEY");
          return { ...makeBody(JSON.stringify({ signatures }), json.type), isPublic: isPublic(found.pack) };
        }),
      {
        params: VersionParams,
        detail: {
          summary: "Signatures over the manifest's bytes",
          description: "By each key of /.well-known/sunduk.json; the manifest's own answer carries them too.",
          responses: describe({ 200: ManifestSignatures }),
        },
      },
    );
}
