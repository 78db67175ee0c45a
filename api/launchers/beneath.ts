import { Fault } from "../../fault.ts";
import type { Api } from "../api.ts";
import type { Location } from "../blobs/known-blobs.ts";
import { signLocation } from "../blobs/service.ts";
import { answerSigned } from "../redirect.ts";
import { readAddress, type Wanted } from "./address.ts";
import { lookFiles, lookHmcl, lookManifest, show, tomlType } from "./documents.ts";
import { locateFile, locateReleaseFile } from "./files.ts";
import { goesInside, locateMrpack, renderMrpack } from "./mrpack.ts";
import { isHead, openPackwiz } from "./packwiz.ts";
import { type Asker, getRelease } from "./releases.ts";

type Server = { requestIP: (request: Request) => { address: string } | null } | null;

/** A question beneath a pack's address, `/p/{slug}` or `/p/t/{token}/{slug}`. `path` is decoded. */
export type Beneath = {
  request: Request;
  server: Server;
  slug: string;
  token?: string | undefined;
  path: string;
  /** Address that the path is beneath; `{p}` when not given. */
  fileApi?: string;
};

/** A path within a head (a channel, or nothing) or a version. */
type Place = { ref?: string | undefined; path: string };
type PackwizWanted = { kind: "pack.toml" | "index.toml"; ref?: string } | { kind: "indexed"; ref: string };

/** Answers what launchers ask beneath a pack's address: documents from memory, bytes by redirects. */
export function openBeneath(api: Api): (asked: Beneath) => Promise<Response> {
  const packwiz = openPackwiz(api);

  const rootOf = ({ slug, token }: Beneath) =>
    token === undefined ? `${api.publicUrl()}/p/${slug}` : `${api.publicUrl()}/p/t/${token}/${slug}`;

  const findAsker = async ({ request, slug, token }: Beneath): Promise<Asker> => {
    if (token === undefined) return { caller: await api.identify(request), link: null };
    const link = await api.knownLinks.ask(token);
    if (link.slug !== slug) throw new Fault("not-found", `This link is not for "${slug}"`);
    return { caller: null, link };
  };

  const redirect = async (asked: Beneath, locate: (asker: Asker) => Promise<Location>) => {
    const { request, slug, path } = asked;
    const asker = await findAsker(asked);
    const look = () => locate(asker);
    const name = `${slug} ${asker.link?.id ?? ""} ${path}`;
    const location = asker.caller === null ? await api.knownBlobs.ask(name, look) : await look();
    const url = await signLocation(api.storage, { location, method: methodOf(request) });
    return answerSigned({ url, caller: asker.caller, request });
  };

  const give = (
    { request, server, slug, token }: Beneath,
    path: string,
    look: Parameters<Api["give"]>[2],
  ): Promise<Response> => Promise.resolve(api.give({ request, server }, { slug, token, path }, look));

  const givePackwiz = (asked: Beneath, wanted: PackwizWanted) => {
    const { kind, ref } = wanted;
    const { slug } = asked;
    return give(asked, `packwiz/${kind}/${ref ?? ""}`, async (asker) => {
      const question = { ...asker, slug, root: rootOf(asked) };
      const { release, rendered } =
        kind === "indexed"
          ? await packwiz.readIndexed({ ...question, ref: wanted.ref })
          : await packwiz.read({ ...question, ref });
      // Who asks for the index installs: pack.toml is asked for at every start.
      return kind === "pack.toml"
        ? show({ release, asker, text: rendered.pack, type: tomlType })
        : show({ release, asker, text: rendered.index, type: tomlType, format: "packwiz" });
    });
  };

  const giveMetafile = (asked: Beneath, { ref, path }: Place) =>
    give(asked, `packwiz/file/${ref ?? ""}/${path}`, async (asker) => {
      const { slug } = asked;
      const found = await packwiz.find({ ...asker, slug, ref, root: rootOf(asked), path });
      if (!("metafile" in found)) throw new Fault("not-found", `There is no metafile "${path}" of "${slug}"`);
      return show({ release: found.release, asker, text: found.metafile, type: tomlType });
    });

  const giveFile = (asked: Beneath, { ref, path }: Place) =>
    redirect(asked, async (asker) => {
      const { slug } = asked;
      const found = await packwiz.find({ ...asker, slug, ref, root: rootOf(asked), path });
      if (!("file" in found)) throw new Fault("not-found", `There is no file "${path}" of "${slug}"`);
      return locateFile(api, { ...asker, slug, file: found.file });
    });

  /** Of the newest version, whatever somebody may still be installing: HMCL compares with the manifest that it has just read. */
  const giveHmclFile = (asked: Beneath, path: string) =>
    redirect(asked, async (asker) => {
      const { slug } = asked;
      const { manifest } = await getRelease(api, { ...asker, slug });
      const file = manifest.files.find((known) => known.path === path);
      if (!file) throw new Fault("not-found", `There is no file "${path}" in version "${manifest.version}"`);
      return locateFile(api, { ...asker, slug, file });
    });

  /** A metafile or the bytes of a file, of a head or of a version. */
  const givePath = (asked: Beneath, place: Place) =>
    place.path.endsWith(".pw.toml")
      ? firstFound(
          () => giveMetafile(asked, place),
          () => giveFile(asked, place),
        )
      : giveFile(asked, place);

  const giveMrpack = async (asked: Beneath, { ref, side }: Extract<Wanted, { kind: "mrpack" }>) => {
    const { slug, request, server } = asked;
    const question = { slug, ref, side, root: rootOf(asked) };
    try {
      const given = await give(asked, `mrpack/${ref}/${side}`, (asker) => renderMrpack(api, { ...asker, ...question }));
      const name = `${slug}-${ref}${side === "server" ? "-server" : ""}.mrpack`;
      given.headers.set("content-disposition", `attachment; filename="${name}"`);
      return given;
    } catch (error) {
      if (error !== goesInside) throw error;
    }
    const asker = await findAsker(asked);
    const { url, download } = await locateMrpack(api, { ...asker, slug, ref, side, method: methodOf(request) });
    api.analytics.note({ ...download, request, from: server, caller: asker.caller });
    return answerSigned({ url, caller: asker.caller, request });
  };

  /** Beneath `{p}`, or beneath one of its channels or versions (`ref`). */
  const answer = async (asked: Beneath, wanted: Wanted, ref?: string): Promise<Response> => {
    const { slug, token } = asked;
    switch (wanted.kind) {
      case "pack.toml":
      case "index.toml":
      case "indexed":
        return givePackwiz(asked, wanted);
      case "manifest":
        return give(asked, `manifest/${ref ?? ""}`, (asker) => lookManifest(api, { ...asker, slug, ref }));
      case "files.json": {
        const root = token === undefined ? undefined : rootOf(asked);
        return give(asked, `files/${ref ?? ""}`, (asker) =>
          lookFiles(api, { ...asker, slug, ref, ...(root !== undefined && { root }) }),
        );
      }
      case "blob":
        return redirect(asked, (asker) => locateReleaseFile(api, { ...asker, slug, sha256: wanted.sha256 }));
      case "mrpack":
        return giveMrpack(asked, wanted);
      case "hmcl": {
        const fileApi = asked.fileApi ?? `${rootOf(asked)}/hmcl`;
        // The same pack is at two addresses, and each names itself.
        return give(asked, asked.fileApi ? "hmcl" : "hmcl beneath", (asker) =>
          lookHmcl(api, { ...asker, slug, fileApi }),
        );
      }
      case "hmcl-file":
        return giveHmclFile(asked, wanted.path);
      case "path":
        return givePath(asked, { ref, path: wanted.path });
    }
  };

  /** `{ref}/…` and a folder of the pack look the same: what is asked for most decides which is looked for first. */
  const answerInside = async (asked: Beneath): Promise<Response> => {
    const end = asked.path.indexOf("/");
    const ref = asked.path.slice(0, end);
    const inVersion = () => answer(asked, readAddress(asked.path.slice(end + 1), ref), ref);
    const inHead = () => givePath(asked, { path: asked.path });
    if (isHead(ref)) return inVersion();
    const [first, second] = /^v?\d/i.test(ref) ? [inVersion, inHead] : [inHead, inVersion];
    return firstFound(first, second);
  };

  return async (asked) => {
    const wanted = readAddress(asked.path);
    return wanted.kind === "path" && asked.path.includes("/") ? answerInside(asked) : answer(asked, wanted);
  };
}

const methodOf = ({ method }: Request) => (method === "HEAD" ? "HEAD" : "GET");

type Answering = () => Promise<Response>;

async function firstFound(first: Answering, second: Answering): Promise<Response> {
  try {
    return await first();
  } catch (error) {
    if (!(error instanceof Fault) || error.code !== "not-found") throw error;
    return second();
  }
}
