import type { Server } from "bun";
import { listClientPacks } from "../../db/solder-client.ts";
import { Fault } from "../../fault.ts";
import type { Api } from "../api.ts";
import { isUnchanged } from "../etag.ts";
import type { Asker } from "../launchers/releases.ts";
import type { Looked } from "../versions/public-answers.ts";
import { findKeyOwner } from "./keys.ts";

/** A request to the read API. `token` is that of a share link, where the address has one. */
export type Asking = { request: Request; server: Server<unknown> | null; token?: string | undefined };

/** Who asks, and which packs his launcher was let into besides. */
export type Viewer = Asker & { clientPacks: { packId: string; slug: string }[] };

const mostClientPacks = 100;
const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** A refusal in Solder's own words. */
export const refuse = (error: string) => new Fault("not-found", error);

/** Whether it can be looked up at all: names and versions are ASCII, and a database takes no U+0000. */
export const isText = (text: string) => /^[\x20-\x7e]{1,300}$/.test(text);

/** What `work` answers; refusals in the form of Solder, `{"error":…}`. What is broken here stays a problem document. */
export async function answerSolder(work: () => Response | Promise<Response>): Promise<Response> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Fault) || error.code === "internal") throw error;
    const { message, status, retryAfterSeconds, errors } = error;
    const wait = retryAfterSeconds ?? (status === 503 ? 2 : undefined);
    const places = errors.slice(0, 10).map(({ detail }) => detail);
    return Response.json(
      { error: places.length === 0 ? message : `${message}: ${places.join(", ")}` },
      { status, headers: { "cache-control": "no-store", ...(wait !== undefined && { "retry-after": String(wait) }) } },
    );
  }
}

type Question = {
  /** The pack's, or "*". */
  slug: string;
  path: string;
  look: (viewer: Viewer) => Promise<Looked>;
};

/**
 * Gives an answer of the read API to whoever may have it: by a share link; with the key (`k`) of somebody who sees it; with the
 * id of a client (`cid`) that was let in; or as everywhere else. What everybody gets comes from memory, whatever the query holds.
 */
export async function giveSolder(api: Api, asking: Asking, { slug, path, look }: Question): Promise<Response> {
  const { request, server, token } = asking;
  const ask = (viewer: Partial<Viewer>) => look({ caller: null, link: null, clientPacks: [], ...viewer });
  if (token !== undefined) return api.give({ request, server }, { slug, path, token }, ask);
  const query = new URL(request.url).searchParams;
  const owner = await findKeyOwner(api, query.get("k"));
  if (owner) return respond(api, asking, { caller: owner, looked: await ask({ caller: owner }) });
  const client = query.get("cid") ?? "";
  const admitted = uuid.test(client)
    ? await listClientPacks(api.db, {
        id: client.toLowerCase(),
        slug: slug === "*" ? null : slug,
        limit: mostClientPacks,
      })
    : [];
  const [first] = admitted;
  if (slug === "*" && first)
    return respond(api, asking, { caller: null, looked: await ask({ clientPacks: admitted }) });
  try {
    return await api.give({ request, server }, { slug, path }, ask);
  } catch (error) {
    if (!first || !(error instanceof Fault) || error.code !== "not-found") throw error;
    const link = { id: client, ...first, channel: null };
    return respond(api, asking, { caller: null, looked: await ask({ link }) });
  }
}

type Responding = { caller: Viewer["caller"]; looked: Looked };

function respond(api: Api, { request, server }: Asking, { caller, looked }: Responding): Response {
  const { body, etag, download } = looked;
  const headers = { etag, "cache-control": "private, no-cache", "content-type": body.type };
  if (isUnchanged(request, etag)) return new Response(null, { status: 304, headers });
  if (download) api.analytics.note({ ...download, request, from: server, caller });
  return new Response(body, { headers });
}
