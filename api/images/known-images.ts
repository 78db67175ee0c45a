import type { Viewer } from "../../db/image.ts";
import type { Api } from "../api.ts";

type Asked = { ownerId: string; viewer: Viewer; limit: number };

export type KnownImages<Image> = {
  /** The first images of an owner that are shown to this viewer: remembered, or looked up. */
  listFirst: (asked: Asked) => Promise<Image[]>;
};

type Settings<Image> = Pick<Api, "bus" | "revocations"> & {
  look: (asked: Asked) => Promise<Image[]>;
  keepMs?: number;
  /** Images in all. */
  most?: number;
};

/** What the longest page shows, and one more by which it knows that there is another. */
const firstLimit = 101;

/**
 * Remembers for at most `keepMs` what two of all viewers see of somebody's images: he himself, and whoever has not signed
 * in. For everybody else it is looked up, since each of them may see other images. It is forgotten sooner when
 * `images.changed` names him, and when he is disabled, deleted or brought back. What is shown because an album is may change
 * with a pack or with somebody else, so that it is forgotten with any of these.
 */
export function openKnownImages<Image extends { visibility: string }>({
  bus,
  revocations,
  look,
  keepMs = 30_000,
  most = 20_000,
}: Settings<Image>): KnownImages<Image> {
  const kept = new Map<string, { images: Image[]; inAlbum: boolean; until: number }>();
  let size = 0;
  /** Changes heard of so far: what was being looked up meanwhile may be older than one, and is not remembered. */
  let changes = 0;
  const drop = (key: string) => {
    size -= sizeOf(kept.get(key)?.images);
    kept.delete(key);
  };
  const forget = (ownerId: string) => {
    changes += 1;
    drop(keyOf(ownerId, "own"));
    drop(keyOf(ownerId, "open"));
  };
  const forgetAlbums = () => {
    changes += 1;
    for (const [key, { inAlbum }] of kept) if (inAlbum) drop(key);
  };
  const forgetUser = (userId: string) => {
    forget(userId);
    forgetAlbums();
  };
  bus.subscribe("images.changed", forget);
  bus.subscribe("pack.changed", forgetAlbums);
  bus.subscribe("user.changed", forgetUser);
  revocations.onRevoked(({ kind, subject }) => {
    if (kind === "user") forgetUser(subject);
  });
  return {
    listFirst: async (asked) => {
      const side = sideOf(asked);
      if (!side) return look(asked);
      const key = keyOf(asked.ownerId, side);
      const known = kept.get(key);
      if (known && known.until > performance.now()) return known.images.slice(0, asked.limit);
      const before = changes;
      const until = performance.now() + keepMs;
      const images = await look({ ...asked, limit: firstLimit });
      if (before === changes) {
        drop(key);
        const inAlbum = side === "open" && images.some(({ visibility }) => visibility === "album");
        kept.set(key, { images, inAlbum, until });
        size += sizeOf(images);
        for (const oldest of kept.keys()) {
          if (size <= most) break;
          drop(oldest);
        }
      }
      return images.slice(0, asked.limit);
    },
  };
}

const keyOf = (ownerId: string, side: "own" | "open") => `${side} ${ownerId}`;
/** An empty list takes room as well. */
const sizeOf = (images: unknown[] | undefined) => (images ? images.length + 1 : 0);

/** As whom somebody sees the images of an owner, where that is the same for all who do. */
function sideOf({ ownerId, viewer: { userId, roles, shareId } }: Asked): "own" | "open" | undefined {
  if (userId === ownerId) return "own";
  return userId === null && shareId === null && roles.length === 0 ? "open" : undefined;
}
