/**
 * A server that fails on command: the part of the HTTP contract that publishing uses, in memory. What the real API
 * does is proved by the flow tests; this one is for cut uploads, expired tokens and rejected files.
 */
export type PublishServer = ReturnType<typeof startPublishServer>;

type Draft = { version: string; state: string; files: { sha256?: string; size?: number }[]; body: string };

export function startPublishServer(options: { partBytes?: number } = {}) {
  const packs = new Map<string, Map<string, Draft>>();
  const blobs = new Map<string, Uint8Array>();
  const uploads = new Map<string, { sha256: string; size: number; parts: Map<number, Uint8Array> }>();
  const rejected = new Map<string, string>();
  const log: string[] = [];
  let access = 1;
  /** How many storage PUTs shall fail, and with what. */
  const failing = { puts: 0, status: 503, answers: 0 };
  /** What a slow line does: waits before it takes the bytes, until it is let go. */
  const holding = { puts: Promise.resolve() };
  const state = { refreshes: 0, lastBody: "", sawTokenAtStorage: false, tokenSeconds: 600 };

  const problem = (status: number, code: string, detail: string) =>
    Response.json(
      { code, detail, status, errors: [] },
      { status, headers: { "content-type": "application/problem+json" } },
    );
  const session = () => ({
    user: { id: "1", login: "author", roles: [] },
    accessToken: `access-${access}`,
    refreshToken: `refresh-${access}`,
    expiresInSeconds: state.tokenSeconds,
  });
  const missingOf = (draft: Draft) =>
    draft.files.flatMap(({ sha256, size }) => {
      if (sha256 === undefined || blobs.has(sha256)) return [];
      const reason = rejected.get(sha256);
      return [{ sha256, size, ...(reason ? { state: "rejected", reason } : {}) }];
    });
  const describeUpload = (id: string): object => {
    const upload = uploads.get(id);
    if (!upload) return { id, state: "gone" };
    const base = `${server.url}storage/${id}`;
    if (options.partBytes === undefined || upload.size <= options.partBytes) {
      return { id, state: "waiting", method: "PUT", url: base, headers: { "x-signed": "yes" } };
    }
    const partBytes = options.partBytes;
    const parts = Array.from({ length: Math.ceil(upload.size / partBytes) }, (_, index) => ({
      number: index + 1,
      url: `${base}?part=${index + 1}`,
      headers: { "x-signed": "yes" },
      offset: index * partBytes,
      sizeBytes: Math.min(partBytes, upload.size - index * partBytes),
    })).filter((part) => !upload.parts.has(part.number));
    return { id, state: "waiting", parts };
  };

  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    async fetch(request): Promise<Response> {
      const url = new URL(request.url);
      log.push(`${request.method} ${url.pathname}${url.search}`);
      if (url.pathname.startsWith("/storage/")) return store(request, url);
      if (failing.answers > 0) {
        failing.answers -= 1;
        return problem(503, "unavailable", "Wait: busy");
      }
      const text = await request.text();
      const body = text === "" ? {} : JSON.parse(text);
      if (url.pathname === "/v1/auth/login") return Response.json(session());
      if (url.pathname === "/v1/auth/refresh") {
        if (body.refreshToken !== `refresh-${access}`) return problem(401, "not-signed-in", "Renew: ended");
        access += 1;
        state.refreshes += 1;
        return Response.json(session());
      }
      if (request.headers.get("authorization") !== `Bearer access-${access}`) {
        return problem(401, "not-signed-in", "Sign in first");
      }
      return route(request.method, { path: url.pathname.split("/").slice(2), body, text });
    },
  });

  async function store(request: Request, url: URL): Promise<Response> {
    if (request.headers.has("authorization")) state.sawTokenAtStorage = true;
    const upload = uploads.get(url.pathname.split("/").at(-1) ?? "");
    const bytes = await request.bytes();
    await holding.puts;
    if (failing.puts > 0) {
      failing.puts -= 1;
      return new Response("no", { status: failing.status });
    }
    if (!upload || request.headers.get("x-signed") !== "yes") return new Response("no", { status: 403 });
    upload.parts.set(Number(url.searchParams.get("part") ?? 1), bytes);
    return new Response(null, { status: 200 });
  }

  function route(
    method: string,
    { path, body, text }: { path: string[]; body: Record<string, unknown>; text: string },
  ) {
    const [area, name = "", more, version = "", last] = path;
    if (area === "uploads") {
      if (method === "GET") return Response.json(describeUpload(name));
      if (more === "complete") return complete(name);
      const id = crypto.randomUUID();
      const sha256 = String(body.sha256);
      if (blobs.has(sha256)) return Response.json({ state: "verified" });
      const open = [...uploads].find(([, upload]) => upload.sha256 === sha256);
      if (!open) uploads.set(id, { sha256, size: Number(body.size), parts: new Map() });
      return Response.json(describeUpload(open?.[0] ?? id), { status: 201 });
    }
    if (area === "jobs") return Response.json({ id: name, state: "completed", progress: 1, result: {}, problem: null });
    if (area !== "packs") return problem(404, "not-found", "Find: nothing is here");
    if (method === "POST" && name === "") {
      packs.set(String(body.slug), new Map());
      return Response.json(body, { status: 201 });
    }
    const versions = packs.get(name);
    if (!versions) return problem(404, "not-found", `Find pack "${name}": there is none`);
    if (more === undefined) return Response.json({ slug: name, name, visibility: "private" });
    if (more === "latest") {
      const latest = [...versions.values()].findLast((draft) => draft.state === "published");
      return latest ? Response.json({ ...latest, channel: "release" }) : problem(404, "not-found", "Find: none");
    }
    if (method === "POST" && version === "") return createDraft(versions, { body, text });
    const draft = versions.get(version);
    if (!draft) return problem(404, "not-found", "Find version: none");
    if (last === "manifest") {
      const files = draft.files.map((file) => ({
        ...file,
        digests: "digests" in file ? file.digests : { sha256: file.sha256 },
      }));
      return Response.json({ files });
    }
    if (last === "publish") {
      if (missingOf(draft).length > 0) return problem(409, "conflict", "Publish: files are missing");
      draft.state = "published";
      return Response.json({ job: { id: "job-1" } }, { status: 202 });
    }
    return Response.json({ version, channel: "release", state: draft.state, missing: missingOf(draft) });
  }

  function createDraft(versions: Map<string, Draft>, { body, text }: { body: Record<string, unknown>; text: string }) {
    state.lastBody = text;
    const version = String(body.version);
    const known = versions.get(version);
    if (known?.state === "published" && known.body !== text)
      return problem(409, "conflict", `${version} is published with other files`);
    const files = Array.isArray(body.files) ? body.files : [];
    const draft = known?.body === text ? known : { version, state: "draft", files, body: text };
    versions.set(version, draft);
    const answer = { version, channel: "release", state: draft.state, missing: missingOf(draft) };
    return Response.json(answer, { status: known ? 200 : 201 });
  }

  function complete(id: string): Response {
    const upload = uploads.get(id);
    if (!upload) return problem(404, "not-found", "Find upload: none");
    uploads.delete(id);
    const parts = [...upload.parts].toSorted(([one], [other]) => one - other).map(([, bytes]) => bytes);
    const bytes = Buffer.concat(parts);
    const sha256 = new Bun.CryptoHasher("sha256").update(bytes).digest("hex");
    if (sha256 === upload.sha256 && !rejected.has(sha256)) blobs.set(sha256, bytes);
    else rejected.set(upload.sha256, rejected.get(sha256) ?? "the bytes have another digest");
    return Response.json({ job: { id: "job-2" } }, { status: 202 });
  }

  return {
    url: server.url.href.replace(/\/$/, ""),
    packs,
    blobs,
    log,
    failing,
    holding,
    rejected,
    state,
    token: () => `access-${access}`,
    stop: () => server.stop(true),
  };
}
