import { Elysia, t } from "elysia";
import type { Api } from "../api.ts";
import { callers, toReader } from "../caller.ts";
import { describe } from "../describe.ts";
import { answerSigned } from "../redirect.ts";
import { Sha256 } from "../uploads/model.ts";
import { ManyBlobs, Urls } from "./model.ts";
import { signMany, signReadable } from "./service.ts";

const params = t.Object({ sha256: Sha256 });
const Url = t.Object({ url: t.String() });

/** Bytes by their digest: never through us, always by a fresh signed address. */
export function blobs(api: Api) {
  return new Elysia({ prefix: "/v1/blobs", tags: ["blobs"] })
    .use(callers(api))
    .get("/:sha256", ({ params: { sha256 }, caller, request }) => answer("GET", { sha256, caller, request }), {
      params,
      detail: {
        summary: "Redirect to the bytes; JSON {url} for callers who accept JSON",
        responses: { ...describe({ 200: Url }), 307: { description: "Location is the signed address" } },
      },
    })
    .head("/:sha256", ({ params: { sha256 }, caller, request }) => answer("HEAD", { sha256, caller, request }), {
      params,
      detail: { hide: true },
    })
    .post(
      "/urls",
      async ({ body, caller, set }) => {
        set.headers["cache-control"] = "private, no-store";
        const urls = await signMany(api, { sha256: body.sha256, reader: toReader(caller) });
        return { urls, missing: body.sha256.filter((digest) => !(digest in urls)) };
      },
      {
        body: ManyBlobs,
        response: { 200: Urls },
        detail: { summary: "Signed addresses of many files at once" },
      },
    );

  type Asked = { sha256: string; caller: Parameters<typeof toReader>[0]; request: Request };
  async function answer(method: "GET" | "HEAD", { sha256, caller, request }: Asked): Promise<Response> {
    const url = await signReadable(api, { sha256, reader: toReader(caller), method });
    return answerSigned({ url, caller, request });
  }
}
