import type { Db } from "../../db/query.ts";
import { run } from "../../db/query.ts";

type Arranged = {
  capacity: number | null;
  approval?: "instant" | "hand" | "lottery";
  offerSeconds?: number;
  confirmByLink?: boolean;
};

/** People who exist, and nothing more. */
export async function arrangePeople(db: Db, count: number): Promise<string[]> {
  const ids = Array.from({ length: count }, () => Bun.randomUUIDv7());
  await run(db, {
    name: "test_people",
    text: `insert into account."user" (id, login) select id, 'p-' || id from unnest($1::uuid[]) p (id)`,
    values: [ids],
  });
  return ids;
}

/** An event of tomorrow with one occurrence. */
export async function arrangeEvent(
  db: Db,
  ownerId: string,
  { capacity, approval = "instant", offerSeconds = 0, confirmByLink = false }: Arranged,
): Promise<{ eventId: string; occurrenceId: string; slug: string }> {
  const eventId = Bun.randomUUIDv7();
  const occurrenceId = Bun.randomUUIDv7();
  const slug = `event-${eventId}`;
  await run(db, {
    name: "test_event",
    text: `insert into event.event (id, slug, owner_id, title, place, starts_at, ends_at, time_zone, capacity, approval, offer_seconds, confirm_by_link)
      values ($1, $2, $3, '{"en": "An event"}', '{"kind": "online", "url": "https://example.org"}', now() + interval '1 day', now() + interval '2 days', 'UTC', $4, $5, $6, $7)`,
    values: [eventId, slug, ownerId, capacity, approval, offerSeconds, confirmByLink],
  });
  await run(db, {
    name: "test_occurrence",
    text: `insert into event.occurrence (id, event_id, recurs_at, starts_at, ends_at, capacity)
      select $2, id, starts_at, starts_at, ends_at, capacity from event.event where id = $1`,
    values: [eventId, occurrenceId],
  });
  return { eventId, occurrenceId, slug };
}

/** Personal access tokens of people who exist, so that a thousand of them can call without signing in. */
export async function arrangeTokens(db: Db, people: string[]): Promise<string[]> {
  const tokens = people.map(
    () => `sdk_pat_${Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString("base64url")}`,
  );
  await run(db, {
    name: "test_tokens",
    text: `insert into account.access_token (id, user_id, name, token_hash, scopes, expires_at)
      select gen_random_uuid(), t.user_id, 'test', t.hash, '{events:write}', now() + interval '1 day' from unnest($1::uuid[], $2::text[]) t (user_id, hash)`,
    values: [people, tokens.map((token) => new Bun.CryptoHasher("sha256").update(token).digest("hex"))],
  });
  return tokens;
}
