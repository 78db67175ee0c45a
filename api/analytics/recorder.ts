import { waitAtMost } from "../../patience.ts";
import type { Collector, Seen } from "./collector.ts";
import { refusesCounting } from "./visitor.ts";

type Server = { requestIP: (request: Request) => { address: string } | null } | null;

/** What a feature has seen in a request. */
export type Noticed = Pick<Seen, "kind" | "subject" | "version" | "format" | "channel"> & {
  request: Request;
  /** Whose address it is: as the server says, or as somebody has found out. */
  from: Server | string;
  caller: { userId: string } | null;
};

/** What concerns nobody and nothing by itself: a person's sign-ins are not kept as his. */
export const site = { kind: "site", id: "00000000-0000-0000-0000-000000000000" };

export type Analytics = Pick<Collector, "commit" | "render"> & {
  /** Counts something that a request did, unless its sender asks not to be counted. Never throws; at most 100 ms, mostly a commit. */
  record: (noticed: Noticed) => Promise<void>;
  /** The same without waiting: for answers out of memory, which take less than a commit. */
  note: (noticed: Noticed) => void;
};

const robots = /bot\b|bot\/|crawl|spider|preview|monitor/i;
const maxAgent = 300;
const patienceMs = 100;

type Options = { collector: Collector; addressOf: (request: Request, peer: string | undefined) => string };

/** Makes of requests what the collector takes: whose address, which launcher, where from. */
export function openAnalytics({ collector, addressOf }: Options): Analytics {
  const add = ({ request, from, caller, ...noticed }: Noticed): Promise<void> | undefined => {
    const agent = readAgent(request);
    if (request.method === "HEAD" || refusesCounting(request) || robots.test(agent)) return undefined;
    return collector.add({
      ...noticed,
      at: new Date(),
      address: typeof from === "string" ? from : addressOf(request, from?.requestIP(request)?.address),
      agent,
      userId: caller?.userId ?? null,
      launcher: launcherOf(agent),
      source: noticed.kind === "view" ? sourceOf(request) : "",
    });
  };
  return {
    commit: collector.commit,
    render: collector.render,
    note: (noticed) => void add(noticed),
    record: (noticed) => {
      const written = add(noticed);
      return written ? waitAtMost(written, patienceMs) : Promise.resolve();
    },
  };
}

export const readAgent = ({ headers }: Request) => (headers.get("user-agent") ?? "").slice(0, maxAgent);

/** The first product of a User-Agent (RFC 9110, 10.1.5) in small letters; "browser" for all of them. */
export function launcherOf(agent: string): string {
  const product = /^([A-Za-z][\w.-]{0,39})(?=[/\s]|$)/.exec(agent)?.[1]?.toLowerCase() ?? "";
  return product === "mozilla" ? "browser" : product;
}

/** The host that a visitor comes from, when it is another one. */
function sourceOf(request: Request): string {
  const referer = request.headers.get("referer") ?? "";
  if (!URL.canParse(referer)) return "";
  const { host, protocol } = new URL(referer);
  const known = /^https?:$/.test(protocol) && host.length <= 100 && /^[a-z0-9.:[\]-]+$/.test(host);
  return known && host !== request.headers.get("host") ? host : "";
}
