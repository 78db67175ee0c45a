import { Elysia } from "elysia";
import type { Deps } from "../../deps.ts";
import { Fault, hasCode } from "../../fault.ts";
import { contentDisposition } from "../../storage/index.ts";

const safe = {
  "x-content-type-options": "nosniff",
  "content-security-policy": "sandbox; default-src 'none'",
  "accept-ranges": "bytes",
  "content-type": "application/octet-stream",
  "access-control-allow-origin": "*",
};

/** The embedded storage over HTTP: what S3 is in a cluster. The signature is the right; nobody is asked. */
export function objects({ storage, signer }: NonNullable<Deps["disk"]>) {
  const grantOf = (request: Request) => {
    const url = new URL(request.url);
    const grant = signer.verify(request.method, url);
    if (!grant) throw new Fault("not-allowed", "This address is expired or not as it was signed: ask for a fresh one");
    return grant;
  };
  const send = (request: Request) => {
    const { key, fileName, cacheControl, shownAs } = grantOf(request);
    const file = Bun.file(storage.pathOf(key));
    return {
      file,
      headers: {
        ...safe,
        ...(shownAs && { "content-type": shownAs }),
        "cache-control": cacheControl ?? "private, no-store",
        "content-disposition": fileName ? contentDisposition(fileName, shownAs && "inline") : "attachment",
      },
    };
  };
  return new Elysia({ detail: { hide: true } })
    .get("/storage/*", async ({ request }) => {
      const { file, headers } = send(request);
      if (!(await file.exists())) throw new Fault("not-found", "There is no such object");
      const size = file.size;
      const range = parseRange(request.headers.get("range"), size);
      if (range === "unsatisfiable")
        return new Response(null, { status: 416, headers: { ...headers, "content-range": `bytes */${size}` } });
      if (!range) return new Response(file, { headers });
      return new Response(file.slice(range.start, range.end + 1), {
        status: 206,
        headers: { ...headers, "content-range": `bytes ${range.start}-${range.end}/${size}` },
      });
    })
    .head("/storage/*", async ({ request }) => {
      const { file, headers } = send(request);
      if (!(await file.exists())) throw new Fault("not-found", "There is no such object");
      return new Response(null, { headers: { ...headers, "content-length": String(file.size) } });
    })
    .put("/storage/*", ({ request }) => take(request));

  // Apart from the route, so that Elysia sees no use of the body there and leaves it unread.
  async function take(request: Request): Promise<Response> {
    const { key, sizeBytes = 0 } = grantOf(request);
    const declared = request.headers.get("content-length");
    if (declared !== null && Number(declared) !== sizeBytes) {
      throw new Fault("not-allowed", `Cannot take these bytes: ${declared} are announced, ${sizeBytes} were signed`);
    }
    try {
      await storage.receive(key, request.body ?? new Blob([]).stream(), sizeBytes);
    } catch (cause) {
      if (hasCode(cause, "ENOENT")) throw new Fault("not-found", "This upload is completed or was given up", { cause });
      throw cause;
    }
    return new Response(null, { status: 200 });
  }
}

/** One range of bytes (RFC 9110, 14.2); several, or other units, count as none. */
function parseRange(header: string | null, size: number): { start: number; end: number } | "unsatisfiable" | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? "");
  if (!match || (match[1] === "" && match[2] === "")) return undefined;
  const start = match[1] === "" ? Math.max(0, size - Number(match[2])) : Number(match[1]);
  const end = match[1] === "" || match[2] === "" ? size - 1 : Math.min(Number(match[2]), size - 1);
  if (start >= size || start > end) return "unsatisfiable";
  return { start, end };
}
