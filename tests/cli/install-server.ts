import { createHash } from "node:crypto";
import { tarEnd, tarFile } from "../../tar.ts";

type PackFile = {
  path: string;
  bytes: Uint8Array | string;
  side?: "both" | "client" | "server";
  preserve?: boolean;
  optional?: boolean;
  group?: string;
  previous?: string;
  /** Left out of the manifest's digests: a reference is known by what its author gave. */
  reference?: { digests: string[]; size?: boolean };
};

/** What the storage does to one request, instead of answering well. */
export type Mischief = (request: {
  sha256: string;
  range: string | null;
  times: number;
}) => Response | undefined | Promise<Response | undefined>;

/** Digests of bytes as hex. */
export function hex(algorithm: string, bytes: Uint8Array | string): string {
  return createHash(algorithm).update(bytes).digest("hex");
}

/**
 * Stands in for a server that misbehaves: it cuts, lies, stalls and refuses on command, which the real one cannot be told
 * to. It speaks only what an installer calls; what the real API answers is tested in the flows.
 */
export function startInstallServer() {
  const blobs = new Map<string, Uint8Array>();
  const manifests = new Map<string, { etag: string; text: string }>();
  const calls: string[] = [];
  const times = new Map<string, number>();
  const behaviour: {
    mischief: Mischief | undefined;
    latest: string;
    signature: number;
    refuseSigning: number;
    /** What the server does with a tar that it would send; without it, it knows no bundles. */
    bundle: ((tar: Buffer, asked: string[]) => Response) | undefined;
  } = {
    bundle: undefined,
    mischief: undefined,
    latest: "",
    signature: 1,
    refuseSigning: 0,
  };

  const storage = async (request: Request, sha256: string) => {
    const url = new URL(request.url);
    const range = request.headers.get("range");
    calls.push(`GET blob ${sha256.slice(0, 8)}${range === null ? "" : ` ${range}`}`);
    if (request.headers.has("authorization")) return new Response("a signed address takes no token", { status: 400 });
    if (url.pathname.startsWith("/storage") && Number(url.searchParams.get("signature")) < behaviour.signature) {
      return new Response("expired", { status: 403 });
    }
    const count = (times.get(sha256) ?? 0) + 1;
    times.set(sha256, count);
    const odd = await behaviour.mischief?.({ sha256, range, times: count });
    if (odd !== undefined) return odd;
    const bytes = blobs.get(sha256);
    if (bytes === undefined) return new Response("no such object", { status: 404 });
    const from = Number(/^bytes=(\d+)-$/.exec(range ?? "")?.[1] ?? Number.NaN);
    if (Number.isNaN(from)) return new Response(bytes);
    if (from >= bytes.length) return new Response("", { status: 416 });
    const headers = { "content-range": `bytes ${from}-${bytes.length - 1}/${bytes.length}` };
    return new Response(bytes.subarray(from), { status: 206, headers });
  };

  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    idleTimeout: 60,
    routes: {
      "/v1/packs/:slug/latest": () => {
        calls.push("GET latest");
        return Response.json({ version: behaviour.latest, channel: "release" });
      },
      "/v1/packs/:slug/versions/:version/manifest": (request) => {
        const manifest = manifests.get(request.params.version);
        calls.push(`GET manifest ${request.params.version}`);
        if (manifest === undefined)
          return Response.json({ code: "not-found", detail: "no such version" }, { status: 404 });
        const headers = { etag: manifest.etag, "content-type": "application/json" };
        return request.headers.get("if-none-match") === manifest.etag
          ? new Response(null, { status: 304, headers })
          : new Response(manifest.text, { headers });
      },
      "/v1/blobs/urls": {
        POST: async (request) => {
          const asked = [...(await request.text()).matchAll(/[0-9a-f]{64}/g)].map(([digest]) => digest);
          calls.push(`POST urls ${asked.length}`);
          if (behaviour.refuseSigning > 0) {
            behaviour.refuseSigning -= 1;
            return Response.json({ code: "unavailable", detail: "busy" }, { status: 503 });
          }
          const signed = asked.filter((digest) => blobs.has(digest));
          const address = (digest: string) => `/storage/${digest}?signature=${behaviour.signature}`;
          return Response.json({ urls: Object.fromEntries(signed.map((digest) => [digest, address(digest)])) });
        },
      },
      "/v1/blobs/bundle": {
        POST: async (request) => {
          const asked = [...(await request.text()).matchAll(/[0-9a-f]{64}/g)].map(([digest]) => digest);
          calls.push(`POST bundle ${asked.length}`);
          const parts = asked.flatMap((digest) => {
            const bytes = blobs.get(digest);
            return bytes === undefined ? [] : tarFile(digest, bytes);
          });
          const index = new TextEncoder().encode(JSON.stringify({ files: asked, leftOut: [], missing: [] }));
          const tar = Buffer.concat([...tarFile("index.json", index), ...parts, tarEnd]);
          return behaviour.bundle?.(tar, asked) ?? Response.json({ code: "not-found" }, { status: 404 });
        },
      },
      "/storage/:sha256": (request) => storage(request, request.params.sha256),
      "/elsewhere/:sha256": (request) => storage(request, request.params.sha256),
    },
  });

  return {
    url: server.url.origin,
    port: server.port ?? 0,
    calls,
    behaviour,
    /** Makes a version the latest. */
    publish(version: string, files: PackFile[], { slug = "demo", groups }: { slug?: string; groups?: object[] } = {}) {
      const entries = files.map((file) => {
        const bytes = typeof file.bytes === "string" ? new TextEncoder().encode(file.bytes) : file.bytes;
        const sha256 = hex("sha256", bytes);
        blobs.set(sha256, bytes);
        const all = {
          sha1: hex("sha1", bytes),
          sha256,
          sha512: hex("sha512", bytes),
          md5: hex("md5", bytes),
          murmur2: 1,
        };
        const { path, side = "both", preserve = false, optional = false, reference, group, previous } = file;
        const common = { path, side, optional, preserve, ...(group && { group }), ...(previous && { previous }) };
        if (reference === undefined) return { ...common, size: bytes.length, digests: all, url: `/v1/blobs/${sha256}` };
        const digests = Object.fromEntries(Object.entries(all).filter(([name]) => reference.digests.includes(name)));
        const size = reference.size === false ? null : bytes.length;
        return { ...common, size, digests, reference: true, url: `${server.url.origin}/elsewhere/${sha256}` };
      });
      const manifest = {
        formatVersion: 1,
        pack: { slug, name: slug },
        version,
        channel: "release",
        publishedAt: "2026-01-01T00:00:00Z",
        minecraft: "1.21.1",
        loader: null,
        ...(groups && { groups }),
        files: entries.sort((one, other) => (one.path < other.path ? -1 : 1)),
      };
      const text = JSON.stringify(manifest);
      manifests.set(version, { etag: `"${hex("sha256", text)}"`, text });
      behaviour.latest = version;
    },
    stop: () => server.stop(true),
  };
}
