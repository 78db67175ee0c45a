import { findShownVariant, type Viewer } from "../../db/image.ts";
import type { Deps } from "../../deps.ts";
import { Fault } from "../../fault.ts";
import { signBlob } from "../blobs/service.ts";

type Asked = { id: string; variant: string; viewer: Viewer; method: "GET" | "HEAD"; accept: string | null };

/**
 * Signed address of what is shown of an image: AVIF for who accepts it and where it is there, else WebP. 404 for who may not
 * see the image, whether it is here or not; 409 for its owner while it is not ready.
 */
export async function signVariant(
  { db, storage }: Pick<Deps, "db" | "storage">,
  { id, variant, viewer, method, accept }: Asked,
): Promise<string> {
  const formats = accepts(accept, "image/avif") ? ["avif", "webp"] : ["webp"];
  const found = await findShownVariant(db, { id, name: variant, formats, viewer });
  if (!found) throw new Fault("not-found", "There is no such image that you may see");
  const { state, reason, key, format, visibility, name } = found;
  if (state === "rejected")
    throw new Fault("not-found", `There is nothing to see of this image: ${reason ?? "refused"}`);
  if (state !== "ready")
    throw new Fault("conflict", `Cannot show the image yet: it is ${state}`, { retryAfterSeconds: 1 });
  if (key === null || format === null) throw new Fault("not-found", `There is no variant ${variant} of this image`);
  const access = visibility === "public" || visibility === "unlisted" ? "public" : "private";
  const stem = name.replace(/\.[^.]*$/, "") || "image";
  return signBlob({
    storage,
    blob: { key, access },
    method,
    fileName: `${stem}.${format}`,
    shownAs: `image/${format}`,
  });
}

/** Whether `Accept` names a type itself, and not with q=0: who takes anything is given what every browser can show. */
function accepts(header: string | null, type: string): boolean {
  return (header ?? "").split(",").some((entry) => {
    const [name = "", ...parameters] = entry.split(";").map((part) => part.trim().toLowerCase());
    return name === type && !parameters.some((parameter) => /^q=0(\.0{0,3})?$/.test(parameter));
  });
}
