import { findIcon } from "../../db/link.ts";
import type { PackRow } from "../../db/pack.ts";
import { Fault } from "../../fault.ts";
import type { ShownType, Storage } from "../../storage/index.ts";
import type { Api } from "../api.ts";
import { signBlob } from "../blobs/service.ts";

const headBytes = 12;
const readTimeoutMs = 5_000;
const mostRemembered = 2_000;

/** How raster pictures begin: what else an author calls an icon stays a download, above all what a browser would run. */
const signatures: [type: ShownType, start: RegExp][] = [
  ["image/png", /^89504e470d0a1a0a/],
  ["image/jpeg", /^ffd8ff/],
  ["image/gif", /^47494638(37|39)61/],
  ["image/webp", /^52494646.{8}57454250/],
];

/** Signed address of a pack's icon. Throws `not-found`. */
export type SignIcon = (pack: PackRow, method: "GET" | "HEAD") => Promise<string>;

/** Signs icons as the type that their first bytes tell, since chats show no picture that comes as a download. Types are remembered. */
export function openIcons({ db, storage }: Pick<Api, "db" | "storage">): SignIcon {
  const types = new Map<string, ShownType | undefined>();
  const typeOf = async (key: string) => {
    if (types.has(key)) return types.get(key);
    const head = await readHead(storage, key);
    const type = signatures.find(([, start]) => start.test(head))?.[0];
    if (types.size >= mostRemembered) types.clear();
    types.set(key, type);
    return type;
  };
  return async ({ id, slug, visibility }, method) => {
    const icon = await findIcon(db, id);
    if (!icon) throw new Fault("not-found", `"${slug}" has no icon`);
    const type = await typeOf(icon.key);
    const shown = type && { shownAs: type, fileName: `${slug}.${type.slice("image/".length)}` };
    const access = visibility === "public" ? "public" : "private";
    return signBlob({ storage, blob: { key: icon.key, access }, method, ...shown });
  };
}

/** The first bytes of an object, hex. */
async function readHead(storage: Storage, key: string): Promise<string> {
  let head = "";
  for await (const chunk of await storage.read(key, { signal: AbortSignal.timeout(readTimeoutMs) })) {
    head += Buffer.from(chunk.subarray(0, headBytes)).toString("hex");
    if (head.length >= 2 * headBytes) break;
  }
  return head;
}
