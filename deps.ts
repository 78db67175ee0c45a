import { join } from "node:path";
import type { Config } from "./config.ts";
import { type Bus, openBus } from "./db/bus.ts";
import { type LogStream, openLogStream } from "./db/log-stream.ts";
import { openPostgres, type Postgres } from "./db/postgres.ts";
import { openRateStore, type RateStore } from "./db/rate.ts";
import { type LogShipping, shipLogs } from "./db/ship-logs.ts";
import type { Log } from "./log.ts";
import type { LogBuffer } from "./log-buffer.ts";
import { openQueues, type Queues } from "./queues/connection.ts";
import { actors } from "./queues/index.ts";
import { type Mailbox, openMailbox } from "./queues/mailbox.ts";
import { relayFacts } from "./queues/relay-facts.ts";
import { type DiskStorage, openDiskStorage } from "./storage/disk.ts";
import { type DiskSigner, openDiskSigner } from "./storage/disk-signer.ts";
import type { Storage } from "./storage/index.ts";
import { openS3Storage, type S3Options } from "./storage/s3.ts";
import { type Decoder, openDecoder } from "./workers/decoder.ts";

/** What a process opens once and closes in reverse. Everybody takes a Pick of it. */
export type Deps = {
  config: Config;
  log: Log;
  db: Postgres;
  bus: Bus;
  rates: RateStore;
  /** Lines of all processes that wait for being written to files, and those of this one on their way there. */
  logs: LogStream & { shipping?: LogShipping };
  storage: Storage;
  /** The embedded storage, which our own API serves; undefined with S3. */
  disk: { storage: DiskStorage; signer: DiskSigner } | undefined;
  queues: Queues;
  mailbox: Mailbox;
  /** Starts a process when it is first asked. */
  decoder: Decoder;
  /** Address that people and launchers use, without a slash at the end. */
  publicUrl: () => string;
  /** Stops what was opened, in reverse. */
  close: () => Promise<void>;
};

type Options = {
  config: Config;
  log: Log;
  /** Lines of the log that are to be collected. */
  buffer?: LogBuffer | undefined;
  name: string;
  publicUrl: () => string;
};

/** Opens Postgres, bus, storage and queues as the configuration says. Closes again what was open when one of them fails. */
export async function openDeps({ config, log, buffer, name, publicUrl }: Options): Promise<Deps> {
  const databaseUrl = config.DATABASE_URL;
  if (!databaseUrl)
    throw new Error("Cannot start: DATABASE_URL is not set. Start everything with `./sunduk up`, or name a PostgreSQL");
  await using stack = new AsyncDisposableStack();
  const opened = <T extends { close: () => Promise<void> }>(resource: T): T => {
    stack.defer(() => resource.close());
    return resource;
  };
  const db = opened(openPostgres(databaseUrl, { max: config.DATABASE_POOL, log, name, slowMs: config.SLOW_QUERY_MS }));
  const stream = opened(openLogStream({ redisUrl: config.REDIS_URL, db, log }));
  const logs = buffer ? { ...stream, shipping: opened(shipLogs({ buffer, stream, log })) } : stream;
  const bus = opened(await openBus({ redisUrl: config.REDIS_URL, databaseUrl, db, log }));
  const rates = opened(openRateStore({ redisUrl: config.REDIS_URL, db, log }));
  const disk = config.S3_ENDPOINT ? undefined : openDisk(config, publicUrl);
  const storage = disk ? disk.storage : openS3Storage(readS3Options(config));
  const queues = opened(await openQueues({ redisUrl: config.REDIS_URL, databaseUrl, log }));
  const mailbox = opened(openMailbox({ queues, actors, log }));
  // What happened is told at once; the relay's own ticks find what such a hint missed.
  db.onStated(() => mailbox.hintTick(relayFacts.name));
  const decoder = opened(openDecoder({ config, log }));
  const open = stack.move();
  const close = () => open.disposeAsync();
  return { config, log, db, bus, rates, logs, storage, disk, queues, mailbox, decoder, publicUrl, close };
}

function openDisk(config: Config, base: () => string) {
  if (!config.STORAGE_SECRET)
    throw new Error(
      "Cannot start: STORAGE_SECRET is not set. It signs the addresses of objects on disk; make it with `bun main.ts secrets DIR`",
    );
  const signer = openDiskSigner({ base, secret: config.STORAGE_SECRET });
  return { signer, storage: openDiskStorage({ folder: join(config.DATA, "objects"), signer }) };
}

/** The S3 part of a configuration that names one. */
export function readS3Options(config: Config): S3Options {
  const { S3_ENDPOINT: endpoint, S3_ACCESS_KEY: accessKey, S3_SECRET_KEY: secretKey } = config;
  if (!endpoint || !accessKey || !secretKey)
    throw new Error("Cannot use S3: S3_ENDPOINT, S3_ACCESS_KEY and S3_SECRET_KEY are needed");
  return {
    endpoint,
    publicEndpoint: config.S3_PUBLIC_ENDPOINT ?? endpoint,
    bucket: config.S3_BUCKET,
    region: config.S3_REGION,
    accessKey,
    secretKey,
  };
}
