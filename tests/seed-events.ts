import type { Db } from "../db/query.ts";

const russian =
  "турнир выживание техномагия открытие неделя стройка гонки битва ночь сервер рейд марафон поход охота кубок арена ёлка праздник лига скайблок хардкор";
const english =
  "tournament survival skyfactory opening week build race battle night server raid marathon quest hunt cup arena party league skyblock hardcore workshop";
const atOnce = 5_000;
const letters = "аоеитнсрвлкмдпуя";

/**
 * So many public events of 200 organizers, a few minutes apart, half of them over, every tenth a series of ten. Titles have
 * two common words and a rare one (of 3,000) in Russian, and two common ones and a number in English; texts are like them.
 */
export async function seedEvents(db: Db, count: number): Promise<void> {
  const ask = (name: string, text: string, values: unknown[] = []) => db.query({ name: `seed_${name}`, text, values });
  const rare = Array.from({ length: 3_000 }, (_, index) => {
    const hex = new Bun.CryptoHasher("md5").update(String(index)).digest("hex").slice(0, 8);
    return [...hex].map((digit) => letters[Number.parseInt(digit, 16)]).join("");
  });
  // Inverted indexes are built once, afterwards, as they were.
  const { rows } = await ask(
    "indexes",
    `select indexname as name, indexdef as text from pg_indexes where schemaname = 'event' and indexdef like '% USING gin %'`,
  );
  const indexes = rows as { name: string; text: string }[];
  for (const { name } of indexes) await ask(`drop_${name}`, `drop index event.${name}`);
  await ask(
    "users",
    `insert into account."user" (id, login) select gen_random_uuid(), 'seeded-' || n from generate_series(1, 200) n`,
  );
  for (let from = 1; from <= count; from += atOnce)
    await ask(
      "events",
      `insert into event.event (id, slug, owner_id, title, text, place, starts_at, ends_at, time_zone, tags)
        select gen_random_uuid(), 'seeded-' || n, owners.ids[1 + n % 200],
          jsonb_build_object('ru', ($2::text[])[1 + n * 7 % 21] || ' ' || ($2::text[])[1 + n * 11 % 21] || ' ' || ($4::text[])[1 + n % 3000],
            'en', ($3::text[])[1 + n * 5 % 21] || ' ' || ($3::text[])[1 + n * 13 % 21] || ' ' || n),
          jsonb_build_object('ru', ($4::text[])[1 + n * 13 % 3000] || ' и ' || ($4::text[])[1 + n * 17 % 3000] || ' ' || ($2::text[])[1 + n * 3 % 21], 'en', 'the ' || ($3::text[])[1 + n * 17 % 21]),
          '{"kind":"online"}', now() + (n - $1::integer / 2) * interval '5 minutes', now() + (n - $1::integer / 2) * interval '5 minutes' + interval '2 hours', 'Europe/Moscow', array['tag-' || n % 500]
        from generate_series($5::integer, $6::integer) n, (select array_agg(id) as ids from account."user" where login like 'seeded-%') owners`,
      [count, russian.split(" "), english.split(" "), rare, from, Math.min(count, from + atOnce - 1)],
    );
  await ask(
    "occurrences",
    `insert into event.occurrence (id, event_id, recurs_at, starts_at, ends_at, capacity, taken)
      select gen_random_uuid(), e.id, e.starts_at + w * interval '7 days', e.starts_at + w * interval '7 days', e.ends_at + w * interval '7 days', 10, (hashtext(e.slug) & 7) + 3
      from event.event e cross join generate_series(0, case when hashtext(e.slug) % 10 = 0 then 9 else 0 end) w where e.slug like 'seeded-%'`,
  );
  for (const { name, text } of indexes) await ask(`create_${name}`, text);
  for (const table of ["event.event", "event.occurrence", `account."user"`])
    await ask(`analyze_${table.replace(/\W/g, "")}`, `analyze ${table}`);
}
