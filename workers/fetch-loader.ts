import { findProfile, postponeLoader, settleLoader, settleMissingLoader } from "../db/loader.ts";
import { Fault } from "../fault.ts";
import { findMeta, type LoaderKey, profileAddress, readProfile } from "../loader-profile.ts";
import { fetchOutbound, type OutboundOptions, parseOutboundAllow } from "../outbound.ts";
import type { Handle } from "../queues/actor.ts";

const maxBytes = 1024 ** 2;
const timeoutMs = 10_000;

/** What both services answer about a loader, or a version of Minecraft, that there is not. */
const unknown = new Set([400, 404, 410]);

/**
 * Fetches a loader's profile and keeps its bytes. A host that is away, or tells something else, is no failure of the job: the
 * row says when it is asked again, by whoever wants the loader then.
 */
export const handle: Handle<LoaderKey, "db" | "config"> = async ({ payload: key, deps, signal, log }) => {
  const { db, config } = deps;
  const meta = findMeta(config, key.name);
  if (meta === undefined) return { state: "off" };
  if (await findProfile(db, key)) return { state: "known" };
  try {
    const profile = await fetchProfile(profileAddress(meta, key), {
      allow: parseOutboundAllow(config.OUTBOUND_ALLOW),
      maxBytes,
      timeoutMs,
      signal,
      headers: { accept: "application/json" },
    });
    if (!profile) {
      await settleMissingLoader(db, key);
      return { state: "missing" };
    }
    readProfile(profile, key);
    const md5 = new Bun.CryptoHasher("md5").update(profile).digest("hex");
    await settleLoader(db, { ...key, profile, md5 });
    return { state: "known" };
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof Fault)) throw error;
    log.info({ err: error, cause: error.cause, loader: key }, "a loader's profile was not fetched");
    await postponeLoader(db, key);
    return { state: "postponed", problem: error.message };
  }
};

/** Undefined when there is no such loader. */
async function fetchProfile(url: string, options: OutboundOptions): Promise<Uint8Array | undefined> {
  const answer = await fetchOutbound(url, options);
  if (answer.status !== 200) {
    answer.close();
    if (unknown.has(answer.status)) return undefined;
    throw new Fault("unavailable", `Cannot fetch the profile: its host answers ${answer.status}`);
  }
  const chunks: Uint8Array[] = [];
  for await (const chunk of answer.body) chunks.push(chunk);
  return Buffer.concat(chunks);
}
