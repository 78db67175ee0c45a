/** Where packing is worth its time: texts of at least a kibibyte. */
const leastBytes = 1_024;
const texts = /^(application\/(json|toml)|text\/)/;

export type PackedBodies = {
  /** The body as gzip, when it was packed before. */
  find: (etag: string) => Blob | undefined;
  /** Packs a body, and remembers it by its tag. */
  pack: (etag: string, body: Blob) => Promise<Blob>;
};

/** Whether a client takes gzip (RFC 9110, 12.5.3) and the body gets smaller by it. */
export function isPackable(request: Request, body: Blob): boolean {
  if (body.size < leastBytes || !texts.test(body.type)) return false;
  const accepted = request.headers.get("accept-encoding")?.toLowerCase() ?? "";
  return accepted.split(",").some((coding) => /^\s*gzip\s*(;\s*q=(?!0(\.0*)?\s*$).*)?$/.test(coding));
}

/** The strong tag of the packed form of a body: other bytes have another tag (RFC 9110, 8.8.3.3). */
export const packedTag = (etag: string) => etag.replace(/"$/, '-gzip"');

/** Remembers packed bodies by the tags of what they hold, `maxBytes` in all: the oldest go. */
export function openPackedBodies({ maxBytes = 16 * 1024 ** 2 }: { maxBytes?: number } = {}): PackedBodies {
  const kept = new Map<string, Blob>();
  let keptBytes = 0;
  return {
    find: (etag) => kept.get(etag),
    pack: async (etag, body) => {
      const packed = new Blob([Bun.gzipSync(await body.arrayBuffer())], { type: body.type });
      keptBytes += packed.size - (kept.get(etag)?.size ?? 0);
      kept.set(etag, packed);
      for (const [oldest, { size }] of kept) {
        if (keptBytes <= maxBytes) break;
        kept.delete(oldest);
        keptBytes -= size;
      }
      return packed;
    },
  };
}
