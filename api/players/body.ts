import { Fault } from "../../fault.ts";
import { maxTextureBytes } from "../../texture.ts";
import { readForm } from "../images/form.ts";
import { patience } from "../images/form-upload.ts";
import { readBytes } from "../limits.ts";

/**
 * The PNG that a request brings: as its body (image/png), or as the field `file` of a form, which may say the model too.
 * `Fault("too-large")` past a mebibyte, `Fault("malformed")` for any other type.
 */
export async function readTexture(
  request: Request,
): Promise<{ bytes: Uint8Array<ArrayBuffer>; model?: string | undefined }> {
  const type = (request.headers.get("content-type") ?? "").toLowerCase();
  if (/^image\/png\s*(;|$)/.test(type)) return { bytes: await readBytes(request, maxTextureBytes) };
  if (!type.startsWith("multipart/form-data"))
    throw new Fault("malformed", "Cannot read the texture: send image/png, or a form with it in the field file");
  let model: string | undefined;
  const bytes = await readForm(request, {
    maxBytes: maxTextureBytes,
    patience,
    onField: (name, value) => {
      if (name === "model") model = value;
    },
    take: async ({ bytes }) => Buffer.concat(await Array.fromAsync(bytes)),
  });
  return { bytes, model };
}
