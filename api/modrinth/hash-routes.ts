import { Elysia } from "elysia";
import type { Hit } from "../../db/modrinth.ts";
import { writeShortId } from "../../formats/modrinth.ts";
import type { Noticed } from "../analytics/recorder.ts";
import type { Api } from "../api.ts";
import { signReadable } from "../blobs/service.ts";
import { toReader } from "../caller.ts";
import { answerModrinth } from "./answers.ts";
import { Filter, HashesBody, IndividualBody, read, readAlgorithm, readHashes, UpdateBody } from "./model.ts";
import { findProjects, renderProject } from "./projects.ts";
import { findAllHits, findHits, findUpdates, type Lookups, renderHits, shorten, type Version } from "./versions.ts";

/** So many updates are told of each hash. */
const mostUpdates = 10;
const root = "/modrinth/v2";

/** Which version has a file of that hash, and which is its update. */
export function hashRoutes(api: Api, lookups: Lookups) {
  const hidden = { detail: { hide: true } };
  return new Elysia()
    .get(
      `${root}/version_file/:hash`,
      ({ params: { hash }, request, server }) =>
        answerModrinth(api, { request, server }, async (caller) => {
          const { searchParams } = new URL(request.url);
          const asked = { caller, ...readHashes([hash], readAlgorithm(searchParams)) };
          const hits = ofVersion(await findAllHits(lookups, asked), searchParams);
          if (hits.length === 0) return undefined;
          const isMultiple = searchParams.get("multiple") === "true";
          const [first, ...more] = await renderHits(lookups, { caller, hits: isMultiple ? hits : hits.slice(0, 1) });
          return isMultiple ? [first, ...more].flatMap((version) => (version ? shorten(version) : [])) : first;
        }),
      hidden,
    )
    .get(
      `${root}/version_file/:hash/download`,
      ({ params: { hash }, request, server }) =>
        answerModrinth(api, { request, server }, async (caller) => {
          const { searchParams } = new URL(request.url);
          const asked = { caller, ...readHashes([hash], readAlgorithm(searchParams)) };
          const [hit] = ofVersion(await findAllHits(lookups, asked), searchParams);
          if (!hit) return undefined;
          if (hit.path === null) noteDownload(api, { hit, caller, request, server });
          const url =
            hit.sha256 === null
              ? new URL(hit.url ?? "").href
              : await signReadable(api, { sha256: hit.sha256, reader: toReader(caller), method: "GET" });
          return Response.json({ url }, { status: 307, headers: { location: url, "cache-control": "no-store" } });
        }),
      hidden,
    )
    .post(
      `${root}/version_file/:hash/update`,
      ({ params: { hash }, body, request, server }) =>
        answerModrinth(api, { request, server }, async (caller) => {
          const filter = read(Filter, body ?? {});
          const { algorithm, hashes } = readHashes([hash], readAlgorithm(new URL(request.url).searchParams));
          const wishes = hashes.map((one) => ({ ...filter, hash: one }));
          const updates = await findUpdates(lookups, { caller, algorithm, wishes, most: 1 });
          return updates.values().next().value?.[0];
        }),
      hidden,
    )
    .post(
      `${root}/version_files`,
      ({ body, request, server }) =>
        answerModrinth(api, { request, server }, async (caller) => {
          const { hashes, algorithm } = read(HashesBody, body);
          const hits = [...(await findHits(lookups, { caller, ...readHashes(hashes, algorithm) })).values()];
          const versions = await renderHits(lookups, { caller, hits });
          return Object.fromEntries(versions.map((version, index) => [hits[index]?.hash, shorten(version)]));
        }),
      hidden,
    )
    .post(
      `${root}/version_files/update`,
      ({ body, request, server }) =>
        answerModrinth(api, { request, server }, async (caller) => {
          const { hashes: given, algorithm: named, ...filter } = read(UpdateBody, body);
          const { algorithm, hashes } = readHashes(given, named);
          const wishes = hashes.map((hash) => ({ ...filter, hash }));
          return firstOfEach(await findUpdates(lookups, { caller, algorithm, wishes, most: 1 }));
        }),
      hidden,
    )
    .post(
      `${root}/version_files/update_many`,
      ({ body, request, server }) =>
        answerModrinth(api, { request, server }, async (caller) => {
          const { hashes: given, algorithm: named, ...filter } = read(UpdateBody, body);
          const { algorithm, hashes } = readHashes(given, named);
          const wishes = hashes.map((hash) => ({ ...filter, hash }));
          const updates = await findUpdates(lookups, { caller, algorithm, wishes, most: mostUpdates });
          return Object.fromEntries([...updates].map(([hash, versions]) => [hash, versions.map(shorten)]));
        }),
      hidden,
    )
    .post(
      `${root}/version_files/update_individual`,
      ({ body, request, server }) =>
        answerModrinth(api, { request, server }, async (caller) => {
          const { hashes: given, algorithm: named } = read(IndividualBody, body);
          const { algorithm, hashes } = readHashes(
            given.map(({ hash }) => hash),
            named,
          );
          const known = new Set(hashes);
          const wishes = given
            .map((wish) => ({ ...wish, hash: wish.hash.toLowerCase() }))
            .filter(({ hash }) => known.has(hash));
          return firstOfEach(await findUpdates(lookups, { caller, algorithm, wishes, most: 1 }));
        }),
      hidden,
    )
    .post(
      `${root}/version_file/project`,
      ({ body, request, server }) =>
        answerModrinth(api, { request, server }, async (caller) => {
          const { hashes, algorithm } = read(HashesBody, body);
          const hits = await findHits(lookups, { caller, ...readHashes(hashes, algorithm) });
          const names = [...new Set([...hits.values()].map(({ slug }) => slug))];
          const projects = await findProjects(lookups, { caller, names });
          const rendered = await Promise.all(
            projects.map(async (pack) => [pack.id, await renderProject(lookups, pack)] as const),
          );
          const byId = new Map(rendered);
          return Object.fromEntries([...hits].map(([hash, { packId }]) => [hash, byId.get(packId)]));
        }),
      hidden,
    );
}

/** Those of the version that `version_id` names, or all. */
function ofVersion(hits: Hit[], parameters: URLSearchParams): Hit[] {
  const wanted = parameters.get("version_id");
  return wanted === null ? hits : hits.filter(({ id }) => writeShortId(id) === wanted);
}

function firstOfEach(updates: Map<string, Version[]>) {
  return Object.fromEntries([...updates].map(([hash, [first]]) => [hash, first && shorten(first)]));
}

type Downloading = Pick<Noticed, "request" | "caller"> & { hit: Hit; server: Noticed["from"] };

/** A whole pack is fetched, not one of its files. */
function noteDownload({ analytics }: Api, { hit, server, ...asking }: Downloading): void {
  const { packId, version, channel } = hit;
  analytics.note({
    kind: "download",
    subject: { kind: "pack", id: packId },
    version,
    channel,
    format: "modrinth",
    from: server,
    ...asking,
  });
}
