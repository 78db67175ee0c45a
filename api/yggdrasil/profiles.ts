import type { PlayerRow } from "../../db/player.ts";
import { Fault } from "../../fault.ts";
import type { GameKey } from "../../game-key.ts";
import { toGameId } from "./answer.ts";

type Property = { name: string; value: string; signature?: string };
export type Profile = { id: string; name: string; properties: Property[] };

export type Profiles = {
  /** A player with what it looks like; signed for who asks for that. */
  describe: (player: PlayerRow, options: { signed: boolean }) => Promise<Profile>;
};

/** Old games take no signature that is older than a day. */
const rememberedMs = 3_600_000;
const maxRemembered = 5_000;
const uploadable = "skin,cape";

/**
 * Describes players as games want it ("Profile" of the Yggdrasil server technical specification). A signature takes
 * milliseconds of a processor: it is remembered for an hour for each player as he looks, so that nobody can keep us busy.
 */
export function openProfiles({ key, publicUrl }: { key: GameKey | undefined; publicUrl: () => string }): Profiles {
  const remembered = new Map<string, { value: string; signature: Promise<string> | undefined; at: number }>();
  let signedUploadable: Promise<string> | undefined;
  const look = (player: PlayerRow) => {
    const base = publicUrl();
    const { id, name, model, skin, cape } = player;
    const revision = [base, id, name, model, skin, cape].join(" ");
    const known = remembered.get(revision);
    if (known && performance.now() - known.at < rememberedMs) return known;
    const value = Buffer.from(JSON.stringify(describeTextures(player, base))).toString("base64");
    const made = { value, signature: undefined, at: performance.now() };
    if (remembered.size >= maxRemembered)
      for (const old of [...remembered.keys()].slice(0, maxRemembered / 4)) remembered.delete(old);
    remembered.delete(revision);
    remembered.set(revision, made);
    return remembered.get(revision) ?? made;
  };
  return {
    describe: async (player, { signed }) => {
      const textures = look(player);
      const told = { id: toGameId(player.id), name: player.name };
      const uploads = { name: "uploadableTextures", value: uploadable };
      if (!signed) return { ...told, properties: [{ name: "textures", value: textures.value }, uploads] };
      const { sign } = requireGameKey(key);
      textures.signature ??= sign(textures.value);
      signedUploadable ??= sign(uploadable);
      return {
        ...told,
        properties: [
          { name: "textures", value: textures.value, signature: await textures.signature },
          { ...uploads, signature: await signedUploadable },
        ],
      };
    },
  };
}

/** The key that signs for games; 501 where there is none. */
export function requireGameKey(key: GameKey | undefined): GameKey {
  if (key) return key;
  throw new Fault("not-implemented", "Not possible on this server: its operator has not set YGGDRASIL_KEY");
}

/** Where a texture is: its SHA-256 is the last part of the path, by which games keep it. */
export const textureUrl = (base: string, sha256: string) => `${base}/textures/${sha256}`;

function describeTextures({ id, name, model, skin, cape }: PlayerRow, base: string) {
  return {
    timestamp: Date.now(),
    profileId: toGameId(id),
    profileName: name,
    textures: {
      ...(skin && { SKIN: { url: textureUrl(base, skin), ...(model === "slim" && { metadata: { model } }) } }),
      ...(cape && { CAPE: { url: textureUrl(base, cape) } }),
    },
  };
}
