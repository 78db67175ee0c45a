import { fetchOutbound, type OutboundRule, parseOutboundAllow } from "../../outbound.ts";

/** Asks an address of a provider: status, media type and body of the answer. */
export type ProviderFetch = (url: string, asked: Asked) => Promise<Response>;
type Asked = {
  method?: string;
  headers?: Record<string, string>;
  body?: unknown;
  signal?: AbortSignal;
};

const timeoutMs = 8_000;
const maxBytes = 1024 * 1024;

/**
 * The way out to one provider: 8 s and 1 MiB for each answer, no redirects. Hosts that the operator named may be private
 * addresses; those that the provider itself names (in its metadata) only as OUTBOUND_ALLOW says.
 */
export function openProviderFetch({ hosts, allow }: { hosts: string[]; allow: OutboundRule[] }): ProviderFetch {
  const rules = [...allow, ...parseOutboundAllow(hosts.join(","))];
  return async (url, { method, headers = {}, body, signal }) => {
    const sent = body === undefined || body === null ? undefined : String(body);
    const answer = await fetchOutbound(url, {
      allow: rules,
      maxBytes,
      timeoutMs,
      maxRedirects: 0,
      headers: { "user-agent": "sunduk", ...headers },
      method: method === "POST" ? "POST" : "GET",
      ...(sent !== undefined && { body: sent }),
      ...(signal && { signal }),
    });
    const chunks: Uint8Array[] = [];
    for await (const chunk of answer.body) chunks.push(chunk);
    return new Response(Buffer.concat(chunks), {
      status: answer.status,
      headers: { "content-type": answer.headers.get("content-type") ?? "" },
    });
  };
}
