import type { GoodLink } from "../../db/link.ts";
import { Fault } from "../../fault.ts";
import type { Analytics, Noticed } from "../analytics/recorder.ts";
import type { Identify } from "../caller.ts";
import { isUnchanged } from "../etag.ts";
import type { Asker } from "../launchers/releases.ts";
import type { KnownLinks } from "../links/known-links.ts";
import type { Caller } from "../tokens.ts";
import { isPackable, openPackedBodies, packedTag } from "./packed-bodies.ts";
import type { Looked, PublicAnswers } from "./public-answers.ts";

type Asking = Pick<Noticed, "request"> & { server: Noticed["from"] };
type Question = {
  /** The pack's, or "*" for what is about all of them. */
  slug: string;
  /** Tells the questions about it apart. */
  path: string;
  /** Of a share link, where the address has one. */
  token?: string | undefined;
};

/** Answers a head: from memory where that is right, else by looking, once for all who wait for the same. */
export type Give = (
  asking: Asking,
  question: Question,
  look: (asker: Asker) => Promise<Looked>,
) => Response | Promise<Response>;

type Parts = {
  identify: Identify;
  answers: PublicAnswers;
  knownLinks: KnownLinks;
  analytics: Analytics;
  /** When a launcher that looks for updates by itself should look again; each is told a little earlier or later. */
  checkAfterSeconds: number;
};

/**
 * Gives what launchers ask for again and again. Where everybody gets the same, and to whoever has a share link, it comes from
 * memory for a second; so who calls is found out only when it matters. A link's holder is nobody else: his token is not read.
 */
export function openGive({ identify, answers, knownLinks, analytics, checkAfterSeconds }: Parts): Give {
  const packed = openPackedBodies();
  const respond = ({ request, server }: Asking, looked: Looked, caller: Caller | null) => {
    const { body, isPublic, download } = looked;
    const packs = isPackable(request, body);
    const etag = packs ? packedTag(looked.etag) : looked.etag;
    const headers = {
      ...looked.headers,
      etag,
      vary: "accept-encoding",
      "cache-control": isPublic ? "public, no-cache" : "private, no-cache",
      "content-type": body.type,
      "sunduk-check-after": String(Math.round(checkAfterSeconds * (0.8 + 0.4 * Math.random()))),
    };
    if (isUnchanged(request, etag)) return new Response(null, { status: 304, headers });
    if (download) analytics.note({ ...download, request, from: server, caller });
    if (!packs) return new Response(body, { headers });
    const answer = (bytes: Blob) => new Response(bytes, { headers: { ...headers, "content-encoding": "gzip" } });
    const known = packed.find(looked.etag);
    return known ? answer(known) : packed.pack(looked.etag, body).then(answer);
  };
  const giveByLink = async (
    asking: Asking,
    { link, ...question }: { slug: string; path: string; link: GoodLink },
    look: (asker: Asker) => Promise<Looked>,
  ) => {
    if (question.slug !== link.slug) throw new Fault("not-found", `This link is not for "${question.slug}"`);
    const asked = { ...question, linkId: link.id };
    const looked = answers.find(asked) ?? (await answers.ask(asked, () => look({ caller: null, link })));
    knownLinks.noteUse(link.id);
    return respond(asking, { ...looked, isPublic: false }, null);
  };
  const ask = async (asking: Asking, { slug, path, token }: Question, look: (asker: Asker) => Promise<Looked>) => {
    if (token !== undefined)
      return giveByLink(asking, { slug, path, link: knownLinks.find(token) ?? (await knownLinks.ask(token)) }, look);
    const caller = await identify(asking.request);
    const asker = { caller, link: null };
    return respond(asking, caller ? await look(asker) : await answers.ask({ slug, path }, () => look(asker)), caller);
  };
  return (asking, question, look) => {
    const { headers } = asking.request;
    const anonymous = question.token === undefined && !headers.has("authorization") && !headers.has("token");
    const known = anonymous ? answers.find(question) : undefined;
    return known ? respond(asking, known, null) : ask(asking, question, look);
  };
}

/** A body that is looked up again and again, with its strong ETag: SHA-256 of its bytes. */
export function makeBody(bytes: string | Uint8Array<ArrayBuffer>, type: string): { body: Blob; etag: string } {
  const etag = `"${new Bun.CryptoHasher("sha256").update(bytes).digest("hex")}"`;
  return { body: new Blob([bytes], { type }), etag };
}
