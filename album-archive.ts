import { checkPath } from "./paths.ts";

/** An image as an album's archive holds it. */
export type PackedImage = { id: string; name: string; blobId: string };
export type NamedImage<Image> = Image & { path: string };

const stemCharacters = 80;
const leastDigits = 3;

/**
 * Names for the images of an archive, in their order: a number, which makes them unique, and what is left of the name that
 * each was given when everything is taken out of it that some system reads as something else.
 */
export function nameImages<Image extends Pick<PackedImage, "name">>(images: Image[]): NamedImage<Image>[] {
  const digits = Math.max(leastDigits, String(images.length).length);
  return images.map((image, index) => {
    const number = String(index + 1).padStart(digits, "0");
    const named = `${number} ${stemOf(image.name)}.webp`;
    return { ...image, path: checkPath(named) === undefined ? named : `${number}.webp` };
  });
}

function stemOf(name: string): string {
  const plain = name
    .toWellFormed()
    .normalize("NFC")
    .replace(/\.[^.]{1,5}$/u, "")
    .replace(/[\p{C}\p{Zl}\p{Zp}<>:"|?*%~/\\]/gu, "")
    .replace(/\s+/gu, " ");
  return (
    [...plain]
      .slice(0, stemCharacters)
      .join("")
      .replace(/^[\s.]+|[\s.]+$/gu, "") || "image"
  );
}

/** What an archive of these images is known by: the same images with the same bytes under the same names are the same. */
export function digestImages(images: PackedImage[]): string {
  const lines = nameImages(images).map(({ id, blobId, path }) => JSON.stringify([id, blobId, path]));
  return new Bun.CryptoHasher("sha256").update(lines.join("\n")).digest("hex");
}
