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

/** What has galleries: whoever may see the page may see these. */
const pages = ["pack", "event", "organization"];

/**
 * Remembers for at most `keepMs` what whoever has not signed in sees of somebody's images. For everybody else they are
 * looked up: each may see others, and their owner what he has just changed. They are forgotten sooner when `images.changed`
 * names him, and when he is disabled, deleted or brought back. What is shown because an album is may change with a page or
 * with somebody else, so that it is forgotten with any of these.
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
  const drop = (ownerId: string) => {
    size -= sizeOf(kept.get(ownerId)?.images);
    kept.delete(ownerId);
  };
  const forget = (ownerId: string) => {
    changes += 1;
    drop(ownerId);
  };
  const forgetAlbums = () => {
    changes += 1;
    for (const [ownerId, { inAlbum }] of kept) if (inAlbum) drop(ownerId);
  };
  const forgetUser = (userId: string) => {
    forget(userId);
    forgetAlbums();
  };
  bus.subscribe("images.changed", forget);
  for (const page of pages) bus.subscribe(`${page}.changed`, forgetAlbums);
  bus.subscribe("user.changed", forgetUser);
  revocations.onRevoked(({ kind, subject }) => {
    if (kind === "user") forgetUser(subject);
  });
  return {
    listFirst: async (asked) => {
      const { ownerId, viewer, limit } = asked;
      if (!isNobody(viewer)) return look(asked);
      const known = kept.get(ownerId);
      if (known && known.until > performance.now()) return known.images.slice(0, limit);
      const before = changes;
      const until = performance.now() + keepMs;
      const images = await look({ ...asked, limit: firstLimit });
      if (before === changes) {
        drop(ownerId);
        kept.set(ownerId, { images, inAlbum: images.some(({ visibility }) => visibility === "album"), until });
        size += sizeOf(images);
        for (const oldest of kept.keys()) {
          if (size <= most) break;
          drop(oldest);
        }
      }
      return images.slice(0, limit);
    },
  };
}

/** An empty list takes room as well. */
const sizeOf = (images: unknown[] | undefined) => (images ? images.length + 1 : 0);

const isNobody = ({ userId, roles, shareId }: Viewer) => userId === null && shareId === null && roles.length === 0;
