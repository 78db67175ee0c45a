import { createHash } from "node:crypto";
import { Redis } from "ioredis";
import type { Log } from "../log.ts";
import { type Db, one, run } from "./query.ts";

/** How fast calls may come: one every `intervalMs` in the long run, `burst` at once. */
export type Pace = { intervalMs: number; burst: number };

/** Whether a call may come now, and after how long all of the burst is there again. */
export type Taken = { allowed: boolean; fullInMs: number };

/** What all processes share: the theoretical arrival time of each key (GCRA, ITU-T I.371). Throws when it is away. */
export type RateStore = {
  take: (key: string, pace: Pace) => Promise<Taken>;
  /** Gives one call back. */
  giveBack: (key: string, pace: Pace) => Promise<void>;
  /** Forgets keys that are at rest. */
  clean: () => Promise<void>;
  close: () => Promise<void>;
};

type Options = { redisUrl: string | undefined; db: Db; log: Log };

/** Opens the store on Redis when there is one, else on PostgreSQL. Each call is atomic and by the store's own clock. */
export function openRateStore({ redisUrl, db, log }: Options): RateStore {
  return redisUrl ? openRedisStore(redisUrl, log) : openPostgresStore(db);
}

/** Times in milliseconds. Answers whether it was allowed, and how far ahead the arrival time is. */
const takeScript = `
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local interval, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local before = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now)
local after = before + interval
if after - now > interval * burst then return {0, math.ceil(before - now)} end
redis.call('SET', KEYS[1], string.format('%.0f', after), 'PX', math.ceil(after - now))
return {1, math.ceil(after - now)}`;
/** The arrival time one interval earlier. A key that has expired is at rest. */
const giveBackScript = `
local arrival = redis.call('GET', KEYS[1])
if arrival then redis.call('SET', KEYS[1], string.format('%.0f', tonumber(arrival) - tonumber(ARGV[1])), 'KEEPTTL') end`;
const takeScriptId = createHash("sha1").update(takeScript).digest("hex");
const commandTimeoutMs = 500;

function openRedisStore(url: string, log: Log): RateStore {
  const redis = new Redis(url, {
    lazyConnect: true,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    connectTimeout: commandTimeoutMs,
    commandTimeout: commandTimeoutMs,
    retryStrategy: (attempt) => Math.min(attempt * 100, 1_000),
  });
  redis.on("error", (error) => log.debug({ err: error }, "the rate limits lost Redis"));
  let connecting: Promise<void> | undefined;
  return {
    take: async (key, { intervalMs, burst }) => {
      connecting ??= redis.connect();
      if (redis.status !== "ready") await connecting.catch(() => undefined);
      const given = [`sunduk:rate:${key}`, Math.max(1, Math.round(intervalMs)), burst] as const;
      const answer: unknown = await redis.evalsha(takeScriptId, 1, ...given).catch((error: Error) => {
        if (!error.message.startsWith("NOSCRIPT")) throw error;
        return redis.eval(takeScript, 1, ...given);
      });
      if (!Array.isArray(answer)) throw new Error("Redis answered something else than two numbers");
      return { allowed: Number(answer[0]) === 1, fullInMs: Number(answer[1]) };
    },
    giveBack: async (key, { intervalMs }) =>
      void (await redis.eval(giveBackScript, 1, `sunduk:rate:${key}`, Math.max(1, Math.round(intervalMs)))),
    clean: async () => undefined, // they expire
    close: async () => redis.disconnect(),
  };
}

function openPostgresStore(db: Db): RateStore {
  return {
    take: async (key, { intervalMs, burst }) => {
      const taken = await one<Taken>(db, {
        name: "rate_take",
        text: `with taken as (
            insert into api.rate as r (key, arrival_at) values ($1, clock_timestamp() + $2::float8 * interval '1 ms')
            on conflict (key) do update set arrival_at = greatest(r.arrival_at, clock_timestamp()) + $2::float8 * interval '1 ms'
              where greatest(r.arrival_at, clock_timestamp()) + $2::float8 * interval '1 ms' <= clock_timestamp() + $2::float8 * $3::integer * interval '1 ms'
            returning arrival_at)
          select true as allowed, extract(epoch from arrival_at - clock_timestamp())::float8 * 1000 as "fullInMs" from taken
          union all
          select false, extract(epoch from greatest(arrival_at, clock_timestamp()) - clock_timestamp())::float8 * 1000
            from api.rate where key = $1 and not exists (select from taken)`,
        values: [key, intervalMs, burst],
      });
      // Refused, and made in this very moment by somebody whom the statement does not see yet.
      return taken ?? { allowed: false, fullInMs: intervalMs * burst };
    },
    giveBack: async (key, { intervalMs }) =>
      void (await run(db, {
        name: "rate_give_back",
        text: `update api.rate set arrival_at = arrival_at - $2::float8 * interval '1 ms' where key = $1`,
        values: [key, intervalMs],
      })),
    clean: async () =>
      void (await run(db, {
        name: "rate_delete_old",
        text: `delete from api.rate where arrival_at < clock_timestamp() - interval '1 minute'`,
      })),
    close: async () => undefined,
  };
}
