import pg from "pg";
import type { Log } from "../log.ts";
import { type Db, run } from "./query.ts";

/** What may be revoked: one session, one personal access token, or all access tokens of a user older than `ver`. */
export type Revocation = { kind: "session" | "user" | "token"; subject: string; ver: number | null };

/** What the feed says at one moment. `cursor` is where the next question begins; a standby's answer proves nothing. */
export type FeedAnswer = { revocations: Revocation[]; cursor: string; standby: boolean; sentAt: Moment };

/** A moment by both clocks, in milliseconds: neither alone tells that a process, or its machine, was asleep. */
export type Moment = { monotonic: number; wall: number };

export type RevocationFeed = { ask: (cursor: string) => Promise<FeedAnswer>; close: () => Promise<void> };

const askTimeoutMs = 300;
const connectTimeoutMs = 2_000;

/** Revokes, in the caller's transaction. Processes see it as soon as that has committed. */
export function insertRevocation(tx: Db, { kind, subject, ver }: Revocation): Promise<number> {
  return run(tx, {
    name: "revocation_insert",
    text: `insert into account.revocation (id, kind, subject, ver) values ($1, $2, $3, $4)`,
    values: [Bun.randomUUIDv7(), kind, subject, ver],
  });
}

/** Forgets revocations that no living access token can meet any more. */
export function deleteOldRevocations(db: Db): Promise<number> {
  return run(db, {
    name: "revocation_delete_old",
    text: `delete from account.revocation where revoked_at < now() - interval '2 hours'`,
  });
}

/**
 * Opens a connection of its own to the primary that answers nothing but "what was revoked since?". Rows are found by the
 * id of their transaction, never by a sequence: whatever commits later than it was numbered is at or after the cursor,
 * which is the oldest transaction still under way (pg_snapshot_xmin). A question takes 300 ms at the most, or fails.
 */
export function openRevocationFeed(url: string, log: Log): RevocationFeed {
  let opening: Promise<pg.Client> | undefined;
  const open = () => {
    const client = new pg.Client({
      connectionString: url,
      application_name: "sunduk revocations",
      keepAlive: true,
      connectionTimeoutMillis: connectTimeoutMs,
      query_timeout: askTimeoutMs,
    });
    const forget = () => {
      if (opening === current) opening = undefined;
    };
    client.on("error", (error) => log.debug({ err: error }, "the revocation feed lost its connection"));
    client.on("end", forget);
    const current: Promise<pg.Client> = client.connect().then(() => client);
    current.catch(forget);
    return current;
  };
  return {
    ask: async (cursor) => {
      opening ??= open();
      const asked = opening;
      try {
        const client = await asked;
        // Connecting takes as long as it takes; what is proved begins here.
        const sentAt = { monotonic: performance.now(), wall: Date.now() };
        const { rows } = await client.query<Row>({
          name: "revocation_feed",
          text: `select r.kind, r.subject, r.ver, pg_snapshot_xmin(pg_current_snapshot())::text as cursor, pg_is_in_recovery() as standby
            from (select) as always left join account.revocation r
              on r.revoked_xid >= $1::text::xid8 and r.revoked_at > clock_timestamp() - interval '1 hour'`,
          values: [cursor],
        });
        const [first] = rows;
        if (!first) throw new Error("the feed answered nothing");
        const revocations = rows.flatMap(({ kind, subject, ver }) => (kind && subject ? [{ kind, subject, ver }] : []));
        return { revocations, cursor: first.cursor, standby: first.standby, sentAt };
      } catch (error) {
        // A late answer must not be taken for that of the next question: the connection goes.
        if (opening === asked) opening = undefined;
        asked.then((client) => client.end()).catch(() => undefined);
        throw error;
      }
    },
    close: async () => {
      await opening?.then((client) => client.end()).catch(() => undefined);
    },
  };
}

type Row = {
  kind: Revocation["kind"] | null;
  subject: string | null;
  ver: number | null;
  cursor: string;
  standby: boolean;
};
