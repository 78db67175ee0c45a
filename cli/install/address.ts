import { resolve } from "node:path";
import { Fault } from "../../fault.ts";
import { hideToken } from "../call.ts";
import { type Client, parseServer } from "../client.ts";
import { mrpackPack } from "./mrpack.ts";
import type { Origin, Source } from "./origin.ts";
import { packwizPack } from "./packwiz.ts";
import { linkedPack, packServer } from "./server.ts";

/** What somebody says to name a pack: a name on a server, or where it is. */
export type Address =
  | { kind: "name"; slug: string; version?: string; channel?: string }
  | { kind: "public"; server: string; slug: string }
  | { kind: "link"; server: string; slug: string; token: string }
  | { kind: "packwiz" | "mrpack"; address: string };

const channels = ["release", "beta", "alpha"];

/**
 * Reads `slug`, `slug@version` or `slug@channel` (`slug@latest` is the newest release), the address of a pack's page or a share
 * link of any Sunduk, of a `pack.toml`, or of an `.mrpack`, which may also be a file. Faults: malformed.
 */
export function readAddress(text: string): Address {
  if (/^https?:\/\//i.test(text)) return readUrl(text);
  if (/\.mrpack$/i.test(text)) return { kind: "mrpack", address: resolve(text) };
  const [slug = "", wish, ...rest] = text.split("@");
  if (!/^[a-z0-9-]+$/i.test(slug) || wish === "" || rest.length > 0)
    throw wrong(`"${text}" is no pack; write PACK, PACK@VERSION or PACK@CHANNEL, an address, or an .mrpack file`);
  if (wish === undefined || wish === "latest") return { kind: "name", slug };
  return channels.includes(wish) ? { kind: "name", slug, channel: wish } : { kind: "name", slug, version: wish };
}

function readUrl(text: string): Address {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.username !== "" || url.password !== "")
    throw wrong("that is no http or https address, or one with a password");
  const path = url.pathname;
  if (/\.mrpack$/i.test(path)) return { kind: "mrpack", address: url.href };
  if (/\.toml$/i.test(path)) return { kind: "packwiz", address: url.href };
  const link = /^(.*)\/p\/t\/([\w-]{20,})\/([a-z0-9-]+)\/?$/.exec(path);
  if (link) {
    const [, base = "", token = "", slug = ""] = link;
    return { kind: "link", server: parseServer(`${url.origin}${base}`), token, slug };
  }
  const page = /^(.*)\/p\/([a-z0-9-]+)\/?$/.exec(path);
  const [, base = "", slug] = page ?? [];
  if (slug !== undefined && slug !== "t") return { kind: "public", server: parseServer(`${url.origin}${base}`), slug };
  const shown = `${url.origin}${hideToken(path)}`;
  throw wrong(`"${shown}" leads to no pack; give a pack's page, a share link, a pack.toml or an .mrpack`);
}

const wrong = (state: string) => new Fault("malformed", `Install: ${state}`, { extra: { usage: true } });

/** Where a folder's pack was from. */
export function readSource({ kind, address }: Source): Address {
  return kind === "link" ? readUrl(address) : { kind, address };
}

/** Where the pack comes from; `open` finds the server: a named one, or the one that one is signed in to. */
export async function openOrigin(address: Address, open: (server?: string) => Promise<Client>): Promise<Origin> {
  switch (address.kind) {
    case "name":
      return packServer(await open(), address.slug);
    case "public":
      return packServer(await open(address.server), address.slug);
    case "link":
      return linkedPack(await open(address.server), address);
    case "packwiz":
      return packwizPack(address.address);
    case "mrpack":
      return mrpackPack(address.address);
  }
}
