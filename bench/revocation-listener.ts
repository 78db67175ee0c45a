import { Redis } from "ioredis";
import { openRevocations } from "../api/revocations.ts";
import { type Bus, openBus } from "../db/bus.ts";
import { openPostgres } from "../db/postgres.ts";
import { openRevocationFeed } from "../db/revocation.ts";
import { openLog } from "../log.ts";

// A process that does nothing but know of revocations: says when it learns of one. `bun revocation-listener.ts DATABASE REDIS [deaf]`.
const [databaseUrl = "", redisUrl = "", deaf] = process.argv.slice(2);
const log = openLog({ level: "silent", service: "bench" });
const say = (id: string) => process.stdout.write(`${id} ${performance.timeOrigin + performance.now()}\n`);
const nothing: Bus = { publish: () => undefined, subscribe: () => () => undefined, close: async () => undefined };
const db = openPostgres(databaseUrl, { max: 1, log, name: "bench" });
const bus = deaf ? nothing : await openBus({ redisUrl, databaseUrl, db, log });
const revocations = openRevocations({ feed: openRevocationFeed(databaseUrl, log), bus, log });
revocations.onRevoked(({ subject }) => say(subject));
await revocations.lease();
const bare = new Redis(redisUrl);
bare.on("message", (_channel, id) => say(id));
await bare.subscribe("bare");
say("ready");
