import type { Viewer } from "../../db/image.ts";
import type { Api } from "../api.ts";

/** What somebody sees of somebody's images: the avatar, and the first of the others. */
export type Gallery<Item> = { avatarId: string | null; images: Item[] };
type Asked = { ownerId: string; viewer: Viewer };

export type KnownImages<Item> = {
  /** The gallery of an owner as this viewer sees it: remembered, or looked up. */
  find: (asked: Asked) => Promise<Gallery<Item>>;
};

type Settings<Item> = Pick<Api, "bus" | "revocations"> & {
  look: (asked: Asked) => Promise<Gallery<Item>>;
  keepMs?: number;
  /** Images in all. */
  most?: number;
};

/**
 * Remembers for at most `keepMs` what two of all viewers see of somebody's images: he himself, and whoever has not signed
 * in. For everybody else it is looked up, since each of them may see other images. It is forgotten sooner when
 * `images.changed` names him, and when he is disabled, deleted or brought back. What is shown because an album is may change
 * with a pack or with somebody else, so that it is forgotten with any of these.
 */
export function openKnownImages<Item extends { visibility: string }>({
  bus,
  revocations,
  look,
  keepMs = 30_000,
  most = 20_000,
}: Settings<Item>): KnownImages<Item> {
  const kept = new Map<string, { gallery: Gallery<Item>; inAlbum: boolean; until: number }>();
  let size = 0;
  /** Changes heard of so far: what was being looked up meanwhile may be older than one, and is not remembered. */
  let changes = 0;
  const drop = (key: string) => {
    size -= sizeOf(kept.get(key)?.gallery);
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
    find: async (asked) => {
      const side = sideOf(asked);
      if (!side) return look(asked);
      const key = keyOf(asked.ownerId, side);
      const known = kept.get(key);
      if (known && known.until > performance.now()) return known.gallery;
      const before = changes;
      const until = performance.now() + keepMs;
      const gallery = await look(asked);
      if (before !== changes) return gallery;
      drop(key);
      const inAlbum = side === "open" && gallery.images.some(({ visibility }) => visibility === "album");
      kept.set(key, { gallery, inAlbum, until });
      size += sizeOf(gallery);
      for (const oldest of kept.keys()) {
        if (size <= most) break;
        drop(oldest);
      }
      return gallery;
    },
  };
}

const keyOf = (ownerId: string, side: "own" | "open") => `${side} ${ownerId}`;
/** An empty gallery takes room as well. */
const sizeOf = (gallery: Gallery<unknown> | undefined) => (gallery ? gallery.images.length + 1 : 0);

/** As whom somebody sees the images of an owner, where that is the same for all who do. */
function sideOf({ ownerId, viewer: { userId, roles, shareId } }: Asked): "own" | "open" | undefined {
  if (userId === ownerId) return "own";
  return userId === null && shareId === null && roles.length === 0 ? "open" : undefined;
}
