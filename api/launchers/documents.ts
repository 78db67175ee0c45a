import { renderFlatList } from "../../formats/flat-list.ts";
import { renderHmcl } from "../../formats/hmcl.ts";
import type { Side } from "../../formats/manifest.ts";
import type { Api } from "../api.ts";
import { describeDownload } from "../versions/archives.ts";
import { makeBody } from "../versions/give.ts";
import type { Looked } from "../versions/public-answers.ts";
import { readManifest } from "../versions/service.ts";
import { type Asker, getRelease, isForAll, type Release } from "./releases.ts";

type Asked = Asker & { slug: string; ref?: string | undefined };

export const tomlType = "application/toml; charset=utf-8";
const jsonType = "application/json";

type Shown = { release: Release; asker: Asker; text: string; type?: string; format?: string };

/** An answer made of a release; counted as a download where `format` says which. */
export function show({ release, asker, text, type = jsonType, format }: Shown): Looked {
  return {
    ...makeBody(text, type),
    isPublic: isForAll({ pack: release.pack, link: asker.link }),
    ...(format !== undefined && { download: describeDownload(release, format) }),
  };
}

/** The frozen native manifest. */
export async function lookManifest(api: Api, { slug, ref, ...asker }: Asked): Promise<Looked> {
  const release = await getRelease(api, { slug, ref, ...asker });
  const { bytes, etag, headers } = await readManifest(api, release);
  return {
    body: new Blob([bytes], { type: jsonType }),
    etag,
    isPublic: isForAll({ pack: release.pack, link: asker.link }),
    download: describeDownload(release, "native"),
    headers,
  };
}

/** The flat list; `root` is the address of what is served of the pack by the asker's link. */
export async function lookFiles(
  api: Api,
  { slug, ref, side = "both", root, ...asker }: Asked & { side?: Side; root?: string },
): Promise<Looked> {
  const release = await getRelease(api, { slug, ref, ...asker });
  const blobs = root === undefined ? `${api.publicUrl()}/v1/blobs` : `${root}/blobs`;
  return show({ release, asker, text: renderFlatList(release.manifest, { blobs, side }), format: "files" });
}

/** The manifest of an HMCL server pack. */
export async function lookHmcl(api: Api, { slug, fileApi, ...asker }: Asked & { fileApi: string }): Promise<Looked> {
  const release = await getRelease(api, { slug, ...asker });
  return show({ release, asker, text: renderHmcl(release.manifest, { fileApi }), format: "hmcl" });
}
