import type { PublicProfileRow } from "../../db/profile.ts";
import type { Api } from "../api.ts";

/** A public profile and the image that is its avatar: what all who may see one see of it. */
export type KnownProfile = PublicProfileRow & { avatarId: string | null };

export type KnownProfiles = {
  /** The public profile of an id or a login, remembered or looked up; undefined when there is nobody to be seen. */
  find: (name: string) => Promise<KnownProfile | undefined>;
};

type Settings = Pick<Api, "bus" | "revocations"> & {
  look: (name: string) => Promise<KnownProfile | undefined>;
  keepMs?: number;
  most?: number;
};

/**
 * Remembers public profiles for at most `keepMs`. They are forgotten sooner when `user.changed` or
 * `images.changed` comes by the bus, and when the user's counter is raised: the feed of revocations brings that within a
 * second also when every hint gets lost, so that nobody is shown who was disabled or deleted.
 */
export function openKnownProfiles({ bus, revocations, look, keepMs = 30_000, most = 5_000 }: Settings): KnownProfiles {
  const kept = new Map<string, { row: KnownProfile; until: number }>();
  /** Changes heard of so far: what was being looked up meanwhile may be older than one, and is not remembered. */
  let changes = 0;
  const forget = (userId: string) => {
    changes += 1;
    for (const [name, { row }] of kept) if (row.id === userId) kept.delete(name);
  };
  bus.subscribe("user.changed", forget);
  bus.subscribe("images.changed", forget);
  revocations.onRevoked(({ kind, subject }) => {
    if (kind === "user") forget(subject);
  });
  return {
    find: async (name) => {
      const known = kept.get(name);
      if (known && known.until > performance.now()) return known.row;
      const before = changes;
      const until = performance.now() + keepMs;
      const row = await look(name);
      if (!row || before !== changes) return row;
      kept.delete(name);
      for (const oldest of kept.size >= most ? [...kept.keys()].slice(0, most / 4) : []) kept.delete(oldest);
      kept.set(name, { row, until });
      return row;
    },
  };
}
