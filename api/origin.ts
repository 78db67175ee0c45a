import type { SessionKind } from "../db/session.ts";
import type { Origin } from "./sessions/service.ts";

const maxDeviceLength = 120;

/** Where a request comes from: the device in its own words (User-Agent), and what kind of client it seems to be. */
export function originOf(request: Request, address: string): Origin {
  const agent = (request.headers.get("user-agent") ?? "").replace(/[\p{C}]/gu, "").slice(0, maxDeviceLength);
  return { device: agent, address, kind: kindOf(agent) };
}

function kindOf(agent: string): SessionKind {
  if (/^sunduk\b/i.test(agent)) return "cli";
  return /^Mozilla\//.test(agent) ? "web" : "launcher";
}
