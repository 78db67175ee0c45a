import { isIP } from "node:net";
import ipaddr from "ipaddr.js";
import { Fault } from "./fault.ts";

/** One entry of OUTBOUND_ALLOW: a range of addresses or one exact host name, at any port or at one. */
export type OutboundRule = { port?: number } & (
  | { kind: "range"; range: [ipaddr.IPv4 | ipaddr.IPv6, prefixBits: number] }
  | { kind: "host"; host: string }
);

/** Answers every address of a host name; it is asked once for each hop. */
export type ResolveHost = (host: string) => Promise<string[]>;

/**
 * What a rule with a name opens. A name never opens link-local addresses (cloud metadata), multicast or the
 * ranges that carry an IPv4 address inside: those take a range, written on purpose.
 */
const openedByName = new Set(["loopback", "private", "carrierGradeNat", "uniqueLocal"]);

/** The part of IPv6 that is handed out at all (RFC 4291, 2.4; IANA): outside of it nothing is global unicast. */
const globalUnicast = ipaddr.IPv6.parseCIDR("2000::/3");

/** Reads OUTBOUND_ALLOW, comma separated: `10.0.0.0/8`, `127.0.0.1:9000`, `[fd00::1]:9000`, `maven.lan`. Throws an Error that names the bad entry. */
export function parseOutboundAllow(text: string): OutboundRule[] {
  return splitList(text).map(parseRule);
}

/** Reads a comma separated list of host patterns, such as `cdn.modrinth.com, *.forgecdn.net`. Throws an Error that names the bad entry. */
export function parseHostPatterns(text: string): string[] {
  return splitList(text).map((entry) => {
    const wild = entry.startsWith("*.");
    const host = normalHost(wild ? entry.slice(2) : entry);
    if (!host || (wild && isIP(host) !== 0)) {
      throw new Error(`Cannot read the list of hosts: "${entry}" is no host; write cdn.example.org or *.example.org`);
    }
    return wild ? `*.${host}` : host;
  });
}

/** Whether a URL's host (no port) is one of the patterns; `*.a.org` means every name beneath a.org, not a.org itself. */
export function hostMatches(host: string, patterns: readonly string[]): boolean {
  const name = withoutDot(host.toLowerCase());
  return patterns.some((pattern) => {
    const wanted = pattern.toLowerCase();
    return wanted.startsWith("*.") ? name.endsWith(wanted.slice(1)) && name.length >= wanted.length : name === wanted;
  });
}

/** Reads an address that a stranger named. Throws Fault `not-allowed` unless it is plain http or https, without user, password or control characters. */
export function parseTarget(text: string, base?: URL): URL {
  // The URL parser drops line breaks and tabs silently: what was vetted must be what was written.
  if (hasControl(text)) throw refuse("the address holds control characters");
  if (!URL.canParse(text, base?.href)) throw refuse("the address is not a URL");
  const url = new URL(text, base?.href);
  if (url.protocol !== "http:" && url.protocol !== "https:") throw refuse("only http and https are fetched");
  if (url.username || url.password) throw refuse("the address holds a user name or a password");
  url.hash = "";
  return url;
}

/**
 * The addresses to connect to for a URL: asks `resolve` once, and refuses if any answer is neither global unicast nor
 * opened by a rule. Throws Fault `not-allowed`, or `unavailable` when the name has no answer.
 */
export async function vetAddresses(
  url: URL,
  options: { allow: readonly OutboundRule[]; resolve: ResolveHost },
): Promise<string[]> {
  const host = bareHost(url);
  const rules = options.allow.filter((rule) => rule.port === undefined || rule.port === portOf(url));
  const named = rules.some((rule) => rule.kind === "host" && rule.host === host);
  if (!named && (host === "localhost" || host.endsWith(".localhost"))) throw refuse(`${host} is this machine`);
  const addresses = isIP(host) === 0 ? await askOnce(host, options.resolve) : [host];
  for (const address of addresses) {
    const kind = kindOf(address);
    if (kind === "global" || (named && openedByName.has(kind)) || isInRange(address, rules)) continue;
    // Which address it was says something about our network: only the log is told.
    throw refuse(`the address of ${host} is not public (${kind})`, new Error(`${host} is at ${address}`));
  }
  return addresses;
}

/** The host of a URL without brackets and without the dot that ends a full name: for rules, certificates and SNI. */
export function bareHost(url: URL): string {
  return withoutDot(url.hostname.replace(/^\[|\]$/g, ""));
}

/** The port of a URL, also where it is the scheme's own. */
export function portOf(url: URL): number {
  return url.port ? Number(url.port) : url.protocol === "https:" ? 443 : 80;
}

async function askOnce(host: string, resolve: ResolveHost): Promise<string[]> {
  let addresses: string[];
  try {
    addresses = await resolve(host);
  } catch (cause) {
    throw new Fault("unavailable", `Cannot fetch from ${host}: its name has no answer`, { cause });
  }
  if (addresses.length === 0) throw new Fault("unavailable", `Cannot fetch from ${host}: it has no address`);
  return addresses;
}

/** "global", or what it is instead, in the words of ipaddr.js (which follows IANA's registries). */
function kindOf(address: string): string {
  if (isIP(address) === 0 || address.includes("%")) return "not an address";
  const parsed = ipaddr.parse(address);
  const kind = parsed.range();
  if (kind !== "unicast") return kind;
  return parsed.kind() === "ipv4" || parsed.match(globalUnicast) ? "global" : "not assigned";
}

function isInRange(address: string, rules: OutboundRule[]): boolean {
  if (isIP(address) === 0 || address.includes("%")) return false;
  const parsed = ipaddr.parse(address);
  return rules.some(
    (rule) => rule.kind === "range" && rule.range[0].kind() === parsed.kind() && parsed.match(rule.range),
  );
}

function parseRule(entry: string): OutboundRule {
  if (entry.includes("/")) {
    if (ipaddr.IPv4.isValidCIDRFourPartDecimal(entry)) return { kind: "range", range: ipaddr.IPv4.parseCIDR(entry) };
    if (ipaddr.IPv6.isValidCIDR(entry) && !entry.includes("%")) {
      return { kind: "range", range: ipaddr.IPv6.parseCIDR(entry) };
    }
    throw badRule(entry);
  }
  if (isIP(entry) === 6 && !entry.includes("%")) return { kind: "range", range: [ipaddr.IPv6.parse(entry), 128] };
  const [, written, portText] = /^(\[[^\]]*\]|[^:]*)(?::(\d{1,5}))?$/.exec(entry) ?? [];
  const host = normalHost(written ?? "");
  const port = portText === undefined ? undefined : Number(portText);
  if (!host || port === 0 || (port ?? 0) > 65_535) throw badRule(entry);
  const at = port === undefined ? {} : { port };
  if (isIP(host) === 0) return { kind: "host", host, ...at };
  const address = ipaddr.parse(host);
  return { kind: "range", range: [address, address.kind() === "ipv4" ? 32 : 128], ...at };
}

/** A host as the URL parser would write it, no brackets; undefined if it is none, or an odd spelling of an address. */
function normalHost(text: string): string | undefined {
  if (!text || /[\s/@?#\\%*]/.test(text) || !URL.canParse(`http://${text}/`)) return undefined;
  const host = bareHost(new URL(`http://${text}/`));
  if (isIP(host) === 4 && host !== text) return undefined;
  return host || undefined;
}

function splitList(text: string): string[] {
  return text
    .split(",")
    .map((entry) => entry.trim())
    .filter((entry) => entry !== "");
}

function withoutDot(host: string): string {
  return host.endsWith(".") ? host.slice(0, -1) : host;
}

function hasControl(text: string): boolean {
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code < 0x20 || code === 0x7f) return true;
  }
  return false;
}

function badRule(entry: string): Error {
  return new Error(
    `Cannot read OUTBOUND_ALLOW: "${entry}" is neither a range nor a host; write 10.0.0.0/8, 127.0.0.1:9000, [fd00::1]:9000 or maven.lan`,
  );
}

function refuse(state: string, cause?: unknown): Fault {
  return new Fault("not-allowed", `Cannot fetch this address: ${state}`, { cause });
}
