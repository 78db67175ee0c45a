-- expand
-- Events, their occurrences, and who takes part ------------------------------------------------------------------------------
create extension if not exists pg_trgm with schema public;
create schema event;

-- Words as they sound, in Latin letters: pg_trgm knows no Cyrillic where the database's ctype is C, and "turnir" finds «турнир».
create function event.spell(words text) returns text language sql immutable parallel safe return
  translate(lower(words), 'абвгдеёжзийклмнопрстуфхцчшщыэюяьъ', 'abvgdeejziiklmnoprstufhcqwwyeua');

-- An organization's subscription to somebody else's calendar.
create table event.source (
  id uuid primary key,
  organization_id uuid not null references organization.organization (id) on delete cascade,
  url text not null,
  format text not null check (format in ('ics', 'json')),
  name text not null default '',
  time_zone text not null default 'UTC',            -- of times that name none
  every_seconds integer not null default 3600,
  visibility text not null default 'unlisted' check (visibility in ('public', 'unlisted', 'members')),  -- of events that it brings
  enabled boolean not null default true,
  etag text,
  last_modified text,
  due_at timestamptz not null default now(),
  fetched_at timestamptz,                           -- last answer that was understood
  failures integer not null default 0,              -- in a row
  problem text,                                     -- of the last one that was not
  report jsonb,                                     -- what the last sync did, and left out
  created_by uuid references account."user" (id) on delete set null,
  created_at timestamptz not null default now(),
  unique (organization_id, url)
);
create index source_due_at on event.source (due_at) where enabled;
create index source_created_by on event.source (created_by);

create table event.event (
  id uuid primary key,
  slug text not null unique,                        -- never reused: a deleted event keeps its row
  owner_id uuid not null references account."user" (id),               -- who made it; with an organization only its author
  organization_id uuid references organization.organization (id),      -- its owner instead of owner_id
  title jsonb not null,                             -- {ru, en}: either may be missing, not both
  text jsonb not null default '{}',                 -- {ru, en}: Markdown
  place jsonb not null,                             -- {kind: online | server | physical, …}
  starts_at timestamptz not null,                   -- of the first occurrence
  ends_at timestamptz not null,
  time_zone text not null,                          -- IANA
  rrule text,                                       -- RFC 5545, 3.3.10; null: once
  ends_last_at timestamptz,                         -- end of the last occurrence; null: goes on for ever
  capacity integer check (capacity >= 0),           -- of each occurrence; null: no limit
  opens_at timestamptz,                             -- of registration; null: at once
  closes_before_seconds integer not null default 0, -- registration ends so long before an occurrence begins
  approval text not null default 'instant' check (approval in ('instant', 'hand', 'lottery')),
  confirm_by_link boolean not null default false,   -- a seat is offered first, and taken by following a link
  offer_seconds integer not null default 43200,     -- how long an offered seat waits
  visibility text not null default 'public' check (visibility in ('public', 'unlisted', 'members')),
  pack_id uuid references pack.pack (id) on delete set null,
  version_id uuid references pack.version (id) on delete set null,
  album_id uuid references image.album (id) on delete set null,        -- its gallery
  tags text[] not null default '{}',
  questions jsonb not null default '[]',
  sequence integer not null default 0,              -- RFC 5545, 3.8.7.4: raised by changes that people must hear of
  revision integer not null default 1,
  state text not null default 'published' check (state in ('draft', 'published', 'cancelled')),
  cancelled_reason text not null default '',
  source_id uuid references event.source (id) on delete set null,      -- brought by a source: under its UID
  source_uid text,
  source_values jsonb,                              -- what the source said last, field by field
  edited text[] not null default '{}',              -- fields changed by hand: the source does not touch them again
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  deleted_at timestamptz,
  words tsvector generated always as (
    setweight(to_tsvector('russian', coalesce(title ->> 'ru', '') || ' ' || coalesce(title ->> 'en', '')), 'A')
    || setweight(to_tsvector('russian', coalesce(text ->> 'ru', '') || ' ' || coalesce(text ->> 'en', '')), 'C')) stored,
  spelling text generated always as (event.spell(coalesce(title ->> 'ru', '') || ' ' || coalesce(title ->> 'en', ''))) stored,
  check (ends_at >= starts_at)
);
-- No lists of what is to be indexed later: every search would read them through.
create index event_words on event.event using gin (words) with (fastupdate = off);
create index event_spelling on event.event using gin (spelling gin_trgm_ops) with (fastupdate = off);
create index event_owner_id on event.event (owner_id);
create index event_organization_id on event.event (organization_id);
create index event_pack_id on event.event (pack_id);
create index event_version_id on event.event (version_id);
create index event_album_id on event.event (album_id);
create index event_tags on event.event using gin (tags) with (fastupdate = off);
create index event_starts_at on event.event (starts_at, id) where deleted_at is null and state <> 'draft';
create index event_endless on event.event (id) where rrule is not null and ends_last_at is null and deleted_at is null and state <> 'cancelled';
create index event_source_id on event.event (source_id);
create unique index event_source_uid on event.event (source_id, source_uid) where source_id is not null;

-- Each time that an event takes place. Seats are counted here: whoever changes them locks this row first.
create table event.occurrence (
  id uuid primary key,
  event_id uuid not null references event.event (id) on delete cascade,
  recurs_at timestamptz not null,                   -- the start that the rule gives it (RECURRENCE-ID)
  starts_at timestamptz not null,
  ends_at timestamptz not null,
  capacity integer check (capacity >= 0),
  taken integer not null default 0,                 -- confirmed, offered, checked in, and no-shows
  last_position integer not null default 0,         -- handed out to those who wait
  waiting integer not null default 0 check (waiting >= 0),
  edited boolean not null default false,            -- an exception: the event's own times and capacity no longer reach it
  cancelled_at timestamptz,
  drawn_at timestamptz,                             -- the lottery was held
  unique (event_id, recurs_at) deferrable initially deferred,  -- a series is moved in one transaction
  check (taken >= 0 and (capacity is null or taken <= capacity)),
  check (ends_at >= starts_at)
);
create index occurrence_starts_at on event.occurrence (starts_at, event_id);
create index occurrence_event_id on event.occurrence (event_id, starts_at);
create index occurrence_span on event.occurrence using gist (tstzrange(starts_at, ends_at));

create table event.registration (
  id uuid primary key,
  occurrence_id uuid not null references event.occurrence (id) on delete cascade,
  user_id uuid not null references account."user" (id) on delete cascade,
  state text not null check (state in ('pending', 'confirmed', 'waitlisted', 'offered', 'declined', 'cancelled', 'checked-in', 'no-show')),
  position integer,                                 -- in the order of those who wait: assigned under the occurrence's lock
  answers jsonb not null default '{}',
  offered_until timestamptz,                        -- by the database's clock
  token_hash text,                                  -- of the link that confirms, once it was mailed
  revision integer not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (occurrence_id, user_id),
  check ((state = 'offered') = (offered_until is not null)),
  check (state <> 'waitlisted' or position is not null)
);
create index registration_user_id on event.registration (user_id, id desc);
create index registration_waiting on event.registration (occurrence_id, position) where state = 'waitlisted';
create index registration_token_hash on event.registration (token_hash) where token_hash is not null;
create index registration_offered on event.registration (offered_until) where state = 'offered';

-- Every change of a registration's state: appended, never changed.
create table event.registration_change (
  id bigint generated always as identity primary key,
  registration_id uuid not null references event.registration (id) on delete cascade,
  from_state text,                                  -- null: it was made
  to_state text not null,
  reason text not null,                             -- a word that the API explains: registered, promoted, offer-expired, …
  actor_id uuid references account."user" (id) on delete set null,
  note text not null default '',
  created_at timestamptz not null default clock_timestamp()
);
create index registration_change_registration_id on event.registration_change (registration_id, id);
create index registration_change_actor_id on event.registration_change (actor_id);

create function event.refuse_change() returns trigger language plpgsql as $$
begin
  if new is distinct from old and (new.registration_id, new.from_state, new.to_state, new.reason, new.note, new.created_at)
    is distinct from (old.registration_id, old.from_state, old.to_state, old.reason, old.note, old.created_at) then
    raise exception 'lines of event.registration_change are appended, never changed';
  end if;
  return new;
end
$$;
create trigger registration_change_stays before update on event.registration_change for each row execute function event.refuse_change();

-- Secrets that game servers say "joined" with.
create table event.server_token (
  id uuid primary key,
  event_id uuid not null references event.event (id) on delete cascade,
  name text not null,
  token_hash text not null unique,
  created_at timestamptz not null default now(),
  used_at timestamptz,
  revoked_at timestamptz
);
create index server_token_event_id on event.server_token (event_id);

-- Secret addresses of personal calendars.
create table event.calendar (
  user_id uuid primary key references account."user" (id) on delete cascade,  -- one for each
  token_hash text not null unique,
  created_at timestamptz not null default now(),
  used_at timestamptz
);

-- A person's role in an event: who runs it, or null.
create function event.role_of(e event.event, caller uuid, caller_roles text[]) returns text language sql stable as $$
  select case
    when caller is null then null
    when 'admin' = any (caller_roles) or (e.organization_id is null and e.owner_id = caller) then 'organizer'
    when organization.role_of(e.organization_id, caller, caller_roles) in ('owner', 'manager') then 'organizer'
  end
$$;

create function event.can_read(e event.event, caller uuid, caller_roles text[]) returns boolean language sql stable as $$
  select e.deleted_at is null
    and (e.organization_id is not null or not exists (select from account."user" u where u.id = e.owner_id and u.deleted_at is not null))
    and ((e.state <> 'draft' and e.visibility <> 'members')
      or event.role_of(e, caller, caller_roles) is not null
      or (e.state <> 'draft' and (
        organization.role_of(e.organization_id, caller, caller_roles) is not null
        or exists (select from event.registration r join event.occurrence o on o.id = r.occurrence_id
          where o.event_id = e.id and r.user_id = caller and r.state not in ('declined', 'cancelled')))))
$$;

-- Seats: every change locks its occurrence first and acts in statements after that one, which see what was committed before ----
-- A UUID of version 7 (RFC 9562, 5.7): its order is that of time.
create function event.make_id() returns uuid language sql volatile as $$
  select (lpad(to_hex((extract(epoch from clock_timestamp()) * 1000)::bigint), 12, '0') || '7' || substr(replace(gen_random_uuid()::text, '-', ''), 14))::uuid
$$;

create function event.holds_seat(state text) returns boolean language sql immutable as $$
  select state in ('confirmed', 'offered', 'checked-in', 'no-show')
$$;

-- How long an offered seat waits: an hour at least where a link confirms it, and not past the start.
create function event.offer_until(e event.event, o event.occurrence) returns timestamptz language sql volatile as $$
  select least(clock_timestamp() + make_interval(secs => case when e.confirm_by_link then greatest(e.offer_seconds, 3600) else e.offer_seconds end), o.starts_at)
$$;

-- Takes a line and a fact for each registration whose state was changed.
create function event.note_changes(ids uuid[], from_states text[], reason text, actor uuid, note text) returns void language sql as $$
  insert into event.registration_change (registration_id, from_state, to_state, reason, actor_id, note)
    select r.id, c.from_state, r.state, reason, actor, note
      from unnest(ids, from_states) with ordinality c (id, from_state, n) join event.registration r on r.id = c.id order by c.n;
  insert into outbox.fact (id, kind, payload)
    select event.make_id(), 'registration.' || case when reason = 'offer-expired' then reason when r.state = 'pending' then 'requested' else r.state end,
        jsonb_build_object('registrationId', r.id, 'userId', r.user_id, 'occurrenceId', o.id, 'eventId', o.event_id)
      from unnest(ids) c (id) join event.registration r on r.id = c.id join event.occurrence o on o.id = r.occurrence_id
      where reason <> 'undone';
$$;

-- Locks an occurrence until the transaction ends, ends offers whose time is over (database time), and seats those who wait
-- longest where there is room. An offer holds its seat. Answers how many seats changed hands.
create function event.settle_seats(which uuid) returns integer language plpgsql as $$
declare
  o event.occurrence;
  e event.event;
  ids uuid[];
  freed integer := 0;
  seated integer := 0;
  free integer;
  given boolean;                                    -- seats are given, not offered
begin
  select * into o from event.occurrence where id = which for no key update;
  if not found then return 0; end if;
  select * into e from event.event where id = o.event_id;
  given := e.offer_seconds = 0 and not e.confirm_by_link;
  with expired as (
    update event.registration r set state = 'cancelled', offered_until = null, token_hash = null, position = null, revision = revision + 1, updated_at = clock_timestamp()
      where r.occurrence_id = o.id and r.state = 'offered' and r.offered_until <= clock_timestamp() returning r.id)
  select array_agg(id), count(*) into ids, freed from expired;
  if freed > 0 then perform event.note_changes(ids, array_fill('offered'::text, array[freed]), 'offer-expired', null, ''); end if;
  if o.waiting > 0 and o.cancelled_at is null and e.state = 'published' and e.deleted_at is null and o.starts_at > clock_timestamp() then
    free := case when o.capacity is null then o.waiting else least(o.waiting, o.capacity - o.taken + freed) end;
    if free > 0 then
      with chosen as (
        select r.id from event.registration r where r.occurrence_id = o.id and r.state = 'waitlisted' order by r.position limit free),
      moved as (
        update event.registration r set state = case when given then 'confirmed' else 'offered' end, position = null,
            offered_until = case when given then null else event.offer_until(e, o) end,
            revision = revision + 1, updated_at = clock_timestamp()
          from chosen where r.id = chosen.id returning r.id)
      select array_agg(id order by id), count(*) into ids, seated from moved;
      if seated > 0 then perform event.note_changes(ids, array_fill('waitlisted'::text, array[seated]), 'promoted', null, ''); end if;
    end if;
  end if;
  if freed > 0 or seated > 0 then
    update event.occurrence set taken = taken - freed + seated, waiting = waiting - seated where id = o.id;
  end if;
  return freed + seated;
end
$$;

-- Registers many people at once, in the order given. Whoever is registered already is answered with what he has; one who may
-- not is refused alone. `refusal`: gone, cancelled, not-open, closed, declined.
create function event.register(which uuid, people uuid[], ids uuid[], answers jsonb[])
returns table (n integer, id uuid, state text, place integer, offered_until timestamptz, created boolean, refusal text) language plpgsql as $$
#variable_conflict use_column
declare
  o event.occurrence;
  e event.event;
  barrier text;
  free integer;
  first_state text;
  for_all boolean;                                  -- asked once instead of for each
begin
  perform event.settle_seats(which);
  select * into o from event.occurrence x where x.id = which;
  select * into e from event.event x where x.id = o.event_id;
  for_all := event.can_read(e, null, '{}') and e.visibility <> 'members';
  barrier := case
    when o.id is null or e.deleted_at is not null or e.state = 'draft' then 'gone'
    when e.state = 'cancelled' or o.cancelled_at is not null then 'cancelled'
    when e.opens_at > clock_timestamp() then 'not-open'
    when o.starts_at - make_interval(secs => e.closes_before_seconds) <= clock_timestamp() then 'closed'
  end;
  first_state := case when e.approval <> 'instant' then 'pending' when e.confirm_by_link then 'offered' else 'confirmed' end;
  -- Nobody is seated past those who wait.
  free := case when e.approval <> 'instant' then 2147483647 when o.waiting > 0 then 0 when o.capacity is null then 2147483647 else o.capacity - o.taken end;
  return query with
    asked as (
      select i.n::integer as n, i.person, i.id, i.answers, row_number() over (partition by i.person order by i.n) = 1 as first
        from unnest(people, ids, answers) with ordinality i (person, id, answers, n)),
    -- What each has already is looked up once, by the index: however many others are registered.
    seen as (
      select a.*, u.id is not null as allowed, r.id as former, r.state as former_state, r.position as former_position, r.offered_until as former_until
        from asked a
          left join lateral (select u.id from account."user" u where u.id = a.person and u.deleted_at is null and u.disabled_at is null
            and e.id is not null and (for_all or event.can_read(e, u.id, u.roles)) offset 0) u on true
          left join lateral (select r.* from event.registration r where r.occurrence_id = which and r.user_id = a.person offset 0) r on true),
    fresh as (
      select s.*, row_number() over (order by s.n) as r from seen s
        where s.first and s.allowed and barrier is null and (s.former is null or s.former_state = 'cancelled')),
    written as (
      insert into event.registration as w (id, occurrence_id, user_id, state, position, answers, offered_until)
        select f.id, which, f.person, case when f.r <= free then first_state else 'waitlisted' end,
            case when f.r <= free then null else o.last_position + f.r - free end, f.answers,
            case when f.r <= free and first_state = 'offered' then event.offer_until(e, o) end
          from fresh f order by f.n
        on conflict (occurrence_id, user_id) do update set state = excluded.state, position = excluded.position, answers = excluded.answers,
          offered_until = excluded.offered_until, revision = w.revision + 1, updated_at = clock_timestamp()
        returning w.id, w.user_id, w.state, w.position, w.offered_until, w.revision),
    noted as (
      insert into event.registration_change (registration_id, from_state, to_state, reason, actor_id)
        select w.id, case when w.revision > 1 then 'cancelled' end, w.state, 'registered', w.user_id from written w),
    told as (
      insert into outbox.fact (id, kind, payload)
        select event.make_id(), 'registration.' || case w.state when 'pending' then 'requested' else w.state end,
          jsonb_build_object('registrationId', w.id, 'userId', w.user_id, 'occurrenceId', o.id, 'eventId', o.event_id) from written w),
    remembered as (
      insert into account.activity (id, user_id, kind, subject) select event.make_id(), w.user_id, 'event-registered', e.slug from written w),
    counted as (
      update event.occurrence c set taken = c.taken + s.seats, waiting = c.waiting + s.waiters, last_position = c.last_position + s.waiters
        from (select count(*) filter (where event.holds_seat(w.state)) as seats, count(*) filter (where w.state = 'waitlisted') as waiters from written w) s
        where c.id = which and s.seats + s.waiters > 0)
    select s.n, coalesce(w.id, s.former), coalesce(w.state, s.former_state),
        case when w.state = 'waitlisted' then (o.waiting + w.position - o.last_position)::integer
          when w.id is null and s.former_state = 'waitlisted' then
            (select count(*)::integer from event.registration x where x.occurrence_id = which and x.state = 'waitlisted' and x.position <= s.former_position) end,
        case when w.id is null then s.former_until else w.offered_until end,
        w.id is not null and s.first,
        case
          when not s.allowed then 'gone'
          when w.id is null and s.former_state = 'declined' then 'declined'
          when w.id is null and (s.former is null or s.former_state = 'cancelled') then coalesce(barrier, 'gone')
        end
      from seen s left join written w on w.user_id = s.person and s.allowed
      order by s.n;
end
$$;

-- Changes one registration, when its state is among those expected, and seats whoever waits for what it frees.
-- `target`: a state, or `admitted` (approved: a seat, or a place among those who wait). Answers no row when there is no such
-- one. Nobody is seated at what was called off.
create function event.change_registration(registration uuid, expected text[], target text, reason text, actor uuid, note text)
returns table (id uuid, former text, state text, changed boolean) language plpgsql as $$
#variable_conflict use_column
declare
  o event.occurrence;
  e event.event;
  r event.registration;
  next text;
begin
  perform event.settle_seats(x.occurrence_id) from event.registration x where x.id = registration;
  select * into r from event.registration x where x.id = registration;
  if not found then return; end if;
  if not (r.state = any (expected)) then
    return query select r.id, r.state, r.state, false;
    return;
  end if;
  select * into o from event.occurrence x where x.id = r.occurrence_id;
  select * into e from event.event x where x.id = o.event_id;
  if target in ('admitted', 'confirmed') and r.state in ('pending', 'offered', 'declined')
    and (o.cancelled_at is not null or e.state = 'cancelled' or e.deleted_at is not null) then
    return query select r.id, r.state, r.state, false;
    return;
  end if;
  next := case
    when target <> 'admitted' then target
    when o.waiting > 0 or (o.capacity is not null and o.taken >= o.capacity) then 'waitlisted'
    when e.confirm_by_link and o.starts_at > clock_timestamp() then 'offered'
    else 'confirmed'
  end;
  update event.registration x set state = next, token_hash = case when next = 'confirmed' then x.token_hash end, revision = x.revision + 1, updated_at = clock_timestamp(),
      position = case when next = 'waitlisted' then o.last_position + 1 end,
      offered_until = case when next = 'offered' then event.offer_until(e, o) end
    where x.id = r.id;
  update event.occurrence x set
      taken = x.taken + event.holds_seat(next)::integer - event.holds_seat(r.state)::integer,
      waiting = x.waiting + (next = 'waitlisted')::integer - (r.state = 'waitlisted')::integer,
      last_position = x.last_position + (next = 'waitlisted')::integer
    where x.id = o.id;
  perform event.note_changes(array[r.id], array[r.state], reason, actor, note);
  if actor = r.user_id and next = 'cancelled' then
    insert into account.activity (id, user_id, kind, subject) values (event.make_id(), actor, 'event-left', e.slug);
  end if;
  perform event.settle_seats(o.id);
  return query select r.id, r.state, next, true;
end
$$;

-- Changes how many seats there are; never below what is taken. Answers what is taken, and whether it was changed.
create function event.change_capacity(which uuid, seats integer) returns table (taken integer, changed boolean) language plpgsql as $$
#variable_conflict use_column
declare
  o event.occurrence;
begin
  perform event.settle_seats(which);
  select * into o from event.occurrence x where x.id = which;
  if not found then return; end if;
  if seats is not null and seats < o.taken then
    return query select o.taken, false;
    return;
  end if;
  update event.occurrence x set capacity = seats where x.id = which;
  perform event.settle_seats(which);
  return query select o.taken, true;
end
$$;

-- Draws lots among those who asked: as many as there is room for are seated, the others wait in the order drawn. Null: called off.
create function event.draw(which uuid, actor uuid) returns integer language plpgsql as $$
declare
  o event.occurrence;
  e event.event;
  drawn uuid[];
  free integer;
  offers boolean;
begin
  perform event.settle_seats(which);
  select * into o from event.occurrence x where x.id = which;
  if not found then return null; end if;
  select * into e from event.event x where x.id = o.event_id;
  if o.cancelled_at is not null or e.state = 'cancelled' or e.deleted_at is not null then return null; end if;
  offers := e.confirm_by_link and o.starts_at > clock_timestamp();
  select coalesce(array_agg(r.id order by random()), '{}') into drawn from event.registration r where r.occurrence_id = o.id and r.state = 'pending';
  free := case when o.waiting > 0 then 0 when o.capacity is null then cardinality(drawn) else least(cardinality(drawn), o.capacity - o.taken) end;
  update event.registration r set revision = r.revision + 1, updated_at = clock_timestamp(),
      state = case when d.n > free then 'waitlisted' when offers then 'offered' else 'confirmed' end,
      position = case when d.n > free then o.last_position + d.n - free end,
      offered_until = case when d.n <= free and offers then event.offer_until(e, o) end
    from unnest(drawn) with ordinality d (id, n) where r.id = d.id;
  update event.occurrence x set taken = x.taken + free, waiting = x.waiting + cardinality(drawn) - free,
      last_position = x.last_position + cardinality(drawn) - free, drawn_at = clock_timestamp()
    where x.id = which;
  if cardinality(drawn) > 0 then
    perform event.note_changes(drawn, array_fill('pending'::text, array[cardinality(drawn)]), 'drawn', actor, '');
  end if;
  return free;
end
$$;

-- Deletes what somebody has registered, occurrence by occurrence in the order of their ids; his seats go to those who wait.
create function event.erase_registrations(person uuid) returns integer language plpgsql as $$
declare
  held record;
  erased integer := 0;
begin
  for held in select r.id, r.occurrence_id from event.registration r where r.user_id = person order by r.occurrence_id loop
    perform event.settle_seats(held.occurrence_id);
    with gone as (delete from event.registration r where r.id = held.id returning r.state)
      update event.occurrence o set taken = o.taken - event.holds_seat(gone.state)::integer, waiting = o.waiting - (gone.state = 'waitlisted')::integer
        from gone where o.id = held.occurrence_id;
    perform event.settle_seats(held.occurrence_id);
    erased := erased + 1;
  end loop;
  return erased;
end
$$;

-- Events that hold these words in any of their forms, and, where fewer than 100 do, those whose titles are spelled nearly as
-- `spelled` (words as event.spell writes them), and have something like each of its words. What holds the words comes before what does not.
create function event.search(asked tsquery, spelled text[]) returns table (id uuid, rank real) language sql stable rows 100
  set pg_trgm.word_similarity_threshold = 0.5 as $$
  with held as materialized (select e.id, 1 + ts_rank(e.words, asked) as rank from event.event e where e.words @@ asked),
  near as (
    select e.id, word_similarity(array_to_string(spelled, ' '), e.spelling) as rank from event.event e
      where array_to_string(spelled, ' ') <% e.spelling and (select count(*) from (select from held limit 100) few) < 100
        and (cardinality(spelled) = 1 or not exists (select from unnest(spelled) word where word_similarity(word, e.spelling) < 0.35)))
  select both_kinds.id, max(both_kinds.rank)::real from (select * from held union all select * from near) both_kinds group by both_kinds.id
$$;

-- Galleries of events and organizations: `page` means whoever may see that page -----------------------------------------------
alter table image.album add column event_id uuid references event.event (id) on delete cascade;
create index album_event_id on image.album (event_id);

-- An organization's members put images of their own into its galleries; so do those who have a seat at an event, into those
-- that its organizers do not keep to themselves: 'contributor'.
create or replace function image.role_of(a image.album, caller uuid, caller_roles text[]) returns text language sql stable as $$
  select case
    when a.pack_id is not null then (
      select case when pack.role_of(p, caller, caller_roles) in ('owner', 'maintainer') then 'editor'
          when pack.role_of(p, caller, caller_roles) is not null then 'member' else 'reader' end
        from pack.pack p where p.id = a.pack_id and pack.can_read(p, caller, caller_roles))
    when a.event_id is not null then (
      select case when event.role_of(e, caller, caller_roles) is not null then 'editor'
          when a.visibility <> 'private' and exists (select from event.registration r join event.occurrence o on o.id = r.occurrence_id
            where o.event_id = e.id and r.user_id = caller and r.state in ('confirmed', 'checked-in')) then 'contributor' else 'reader' end
        from event.event e where e.id = a.event_id and event.can_read(e, caller, caller_roles))
    when a.organization_id is not null then (
      select case when organization.role_of(o.id, caller, caller_roles) in ('owner', 'manager') then 'editor'
          when organization.role_of(o.id, caller, caller_roles) is not null then 'contributor' else 'reader' end
        from organization.organization o where o.id = a.organization_id and organization.can_read(o, caller, caller_roles))
    when exists (select from account."user" u where u.id = a.owner_id and u.deleted_at is not null) then null
    when a.owner_id = caller or 'admin' = any (caller_roles) then 'editor'
    else 'reader'
  end
$$;

create or replace function image.can_view_album(a image.album, caller uuid, caller_roles text[], share uuid) returns boolean language sql stable as $$
  select case image.role_of(a, caller, caller_roles)
      when 'editor' then true
      when 'contributor' then true
      when 'member' then true
      when 'reader' then a.visibility in ('unlisted', 'public') or (a.visibility = 'page' and num_nonnulls(a.pack_id, a.event_id, a.organization_id) > 0)
      else false
    end
    or (exists (select from image.share s where s.id = share and s.album_id = a.id and s.revoked_at is null and (s.expires_at is null or s.expires_at > now()))
      and image.role_of(a, a.owner_id, '{admin}') is not null)
$$;

create or replace function image.can_view(i image.image, caller uuid, caller_roles text[], share uuid) returns boolean language sql stable as $$
  select not exists (select from account."user" u where u.id = i.owner_id and u.deleted_at is not null)
    and not exists (select from blob.blocked x where x.sha256 = i.sha256)
    and (
      i.owner_id = caller or 'admin' = any (caller_roles)
      or (i.state = 'ready' and (
        i.visibility in ('unlisted', 'public')
        or exists (select from image.reader_user r where r.image_id = i.id and r.user_id = caller)
        or exists (select from image.reader_role r where r.image_id = i.id and r.role = any (caller_roles))
        or exists (select from image.reader_organization r join organization.member m on m.organization_id = r.organization_id
          join organization.organization o on o.id = r.organization_id and o.deleted_at is null where r.image_id = i.id and m.user_id = caller)
        or (i.visibility = 'album' and exists (select from image.album a where a.id = i.album_id and image.can_view_album(a, caller, caller_roles, share))))))
$$;
