export type Kind = "jpeg" | "png" | "webp" | "gif";

/** So many bytes of the beginning are looked at. */
export const sniffedBytes = 1_024;

export const acceptedKinds = "JPEG, PNG, WebP and GIF are accepted";

const ascii = (bytes: Uint8Array, from: number, to: number) =>
  String.fromCharCode(...bytes.subarray(from, to)).replaceAll("\0", "");

/**
 * What a file is, by its first bytes: neither its name nor what a client says of it counts. A file that is not taken is
 * answered with what it looks like, for its sender to read.
 */
export function sniff(head: Uint8Array): { kind: Kind } | { looksLike: string } {
  if (head[0] === 0xff && head[1] === 0xd8 && head[2] === 0xff) return { kind: "jpeg" };
  // The signature and the header that has to follow it (PNG, 5.2 and 5.6).
  if (head[0] === 0x89 && ascii(head, 1, 8) === "PNG\r\n\x1a\n" && ascii(head, 12, 16) === "IHDR")
    return { kind: "png" };
  if (ascii(head, 0, 4) === "RIFF" && ascii(head, 8, 12) === "WEBP") return { kind: "webp" };
  if (/^GIF8[79]a/.test(ascii(head, 0, 6))) return { kind: "gif" };
  return { looksLike: name(head) };
}

function name(head: Uint8Array): string {
  const text = ascii(head, 0, sniffedBytes);
  if (/^ftyp(avif|avis)/.test(ascii(head, 4, 12))) return "an AVIF image";
  if (/^ftyp(hei[cfsx]|mif1|msf1)/.test(ascii(head, 4, 12))) return "a HEIC image";
  if (/<svg[\s>]/i.test(text)) return "an SVG image";
  if (/<(!doctype html|html|head|body|script)[\s>]/i.test(text)) return "an HTML page";
  if (text.includes("%PDF-")) return "a PDF file";
  if (text.startsWith("PK")) return "an archive";
  if (/^(II|MM)\*/.test(text)) return "a TIFF image";
  if (text.startsWith("BM")) return "a BMP image";
  return "no image";
}
