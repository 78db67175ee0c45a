import { BlockList, isIP } from "node:net";
import { Elysia } from "elysia";
import { Fault } from "../fault.ts";

/** Reads bodies itself: JSON only, and never more than `maxBytes`, declared or counted. */
export function bodyLimits(maxBytes: number) {
  return new Elysia({ name: "body-limits" })
    .onParse(async ({ request, contentType }) => {
      // Bytes for the embedded storage are streamed and forms are read by their routes; a POST may have no body at all.
      if (
        request.body === null ||
        /^\/(storage\/|ops\/sign-|oauth\/|device$|v1\/auth\/oidc\/[^/]+\/code$|v1\/upload$|v1\/me\/players\/[^/]+\/(skin|cape)$|v1\/notifications\/unsubscribe\/[^/]+$|yggdrasil\/)/.test(
          new URL(request.url).pathname,
        )
      )
        return null;
      if (contentType.toLowerCase() !== "application/json") {
        throw new Fault("malformed", "Cannot read the body: send JSON with Content-Type: application/json");
      }
      const text = await readText(request, maxBytes);
      try {
        // Where a schema copies what it checks, this member would become the copy's prototype (CWE-1321).
        return /__proto__|\\u/.test(text) ? JSON.parse(text, refusePrototype) : JSON.parse(text);
      } catch (cause) {
        if (cause instanceof Fault) throw cause;
        throw new Fault("malformed", "Cannot read the body: it is not valid JSON", { cause });
      }
    })
    .as("global");
}

/** Refuses, while JSON is read, the member that would become the prototype of whatever copies it. */
export function refusePrototype(key: string, value: unknown): unknown {
  if (key === "__proto__") throw new Fault("invalid", `Cannot accept the body: the member "__proto__" is unknown`);
  return value;
}

/** The body as text; `Fault("too-large")` past `maxBytes`, declared or counted. */
export async function readText(request: Request, maxBytes: number): Promise<string> {
  return (await readBytes(request, maxBytes)).toString("utf8");
}

/** The body; `Fault("too-large")` past `maxBytes`, declared or counted. */
export async function readBytes(request: Request, maxBytes: number): Promise<Buffer<ArrayBuffer>> {
  const tooLarge = () => new Fault("too-large", `Cannot read the body: it is larger than ${maxBytes} bytes`);
  if (Number(request.headers.get("content-length") ?? 0) > maxBytes) throw tooLarge();
  if (request.headers.has("content-encoding"))
    throw new Fault("malformed", "Cannot read the body: send it without Content-Encoding");
  const chunks: Uint8Array[] = [];
  let total = 0;
  for await (const chunk of request.body ?? []) {
    total += chunk.byteLength;
    if (total > maxBytes) throw tooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** Decides the address of a client: X-Real-IP of a proxy that is trusted, else the other end of the socket. IPv6 counts by its /64. */
export function openAddresses(trusted: string[]): (request: Request, peer: string | undefined) => string {
  const proxies = new BlockList();
  for (const entry of trusted) {
    const [address = "", prefix] = entry.split("/");
    const family = isIP(address) === 6 ? "ipv6" : "ipv4";
    if (isIP(address) === 0)
      throw new Error(`Cannot start: TRUSTED_PROXIES has "${entry}", which is neither an address nor a CIDR block`);
    if (prefix === undefined) proxies.addAddress(address, family);
    else proxies.addSubnet(address, Number(prefix), family);
  }
  return (request, peer = "") => {
    const plain = peer.replace(/^::ffff:/, "");
    const named = request.headers.get("x-real-ip") ?? "";
    const believed =
      isIP(named) !== 0 && isIP(plain) !== 0 && proxies.check(plain, isIP(plain) === 6 ? "ipv6" : "ipv4");
    return toClientAddress(believed ? named : plain);
  };
}

/** An address as clients are told apart by: IPv6 by its /64. */
export function toClientAddress(text: string): string {
  // Who listens on both families writes IPv4 addresses as IPv6 ones: these are not all one client.
  const address = text.replace(/^::ffff:(?=\d+\.)/i, "");
  return isIP(address) === 6 ? networkOf(address) : address;
}

/** The first 64 bits of an IPv6 address, "::" written out (RFC 4291, 2.2). */
function networkOf(address: string): string {
  const [head = "", tail] = address.split("::");
  const groups = head === "" ? [] : head.split(":");
  const last = tail ? tail.split(":") : [];
  const zeros = tail === undefined ? 0 : 8 - groups.length - last.length;
  const all = [...groups, ...Array.from({ length: Math.max(0, zeros) }, () => "0"), ...last];
  return all
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(":");
}
