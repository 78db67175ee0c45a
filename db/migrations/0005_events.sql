-- Events, their occurrences, and who takes part ------------------------------------------------------------------------------
create extension if not exists pg_trgm with schema public;
create schema event;

-- An organization's subscription to somebody else's calendar.
create table event.source (
  id uuid primary key,
  organization_id uuid not null references organization.organization (id) on delete cascade,
  url text not null,
  format text not null check (format in ('ics', 'json')),
  name text not null default '',
  every_seconds integer not null default 3600,
  visibility text not null default 'unlisted' check (visibility in ('public', 'unlisted', 'members')),  -- of events that it brings
  enabled boolean not null default true,
  etag text,
  last_modified text,
  due_at timestamptz not null default now(),
  fetched_at timestamptz,                           -- last answer that was understood
  failures integer not null default 0,              -- in a row
  problem text,                                     -- of the last one that was not
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
  spelling text generated always as (lower(coalesce(title ->> 'ru', '') || ' ' || coalesce(title ->> 'en', ''))) stored,
  check (ends_at >= starts_at)
);
create index event_words on event.event using gin (words);
create index event_spelling on event.event using gin (spelling gin_trgm_ops);
create index event_owner_id on event.event (owner_id);
create index event_organization_id on event.event (organization_id);
create index event_pack_id on event.event (pack_id);
create index event_version_id on event.event (version_id);
create index event_album_id on event.event (album_id);
create index event_tags on event.event using gin (tags);
create index event_starts_at on event.event (starts_at, id) where deleted_at is null and state <> 'draft';
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
  unique (event_id, recurs_at),
  check (taken >= 0 and (capacity is null or taken <= capacity)),
  check (ends_at >= starts_at)
);
create index occurrence_starts_at on event.occurrence (starts_at, event_id);

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
create index registration_offered on event.registration (offered_until) where state = 'offered';

-- Every change of a registration's state: appended, never changed.
create table event.registration_change (
  id uuid primary key,
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
  id uuid primary key,
  user_id uuid not null references account."user" (id) on delete cascade,
  token_hash text not null unique,
  created_at timestamptz not null default now(),
  used_at timestamptz,
  revoked_at timestamptz
);
create index calendar_user_id on event.calendar (user_id);

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
    and (event.role_of(e, caller, caller_roles) is not null
      or (e.state <> 'draft' and (
        e.visibility <> 'members'
        or organization.role_of(e.organization_id, caller, caller_roles) is not null
        or exists (select from event.registration r join event.occurrence o on o.id = r.occurrence_id
          where o.event_id = e.id and r.user_id = caller and r.state not in ('declined', 'cancelled')))))
$$;

-- Galleries of events and organizations: `page` means whoever may see that page -----------------------------------------------
alter table image.album add column event_id uuid references event.event (id) on delete cascade;
create index album_event_id on image.album (event_id);

create or replace function image.role_of(a image.album, caller uuid, caller_roles text[]) returns text language sql stable as $$
  select case
    when a.pack_id is not null then (
      select case when pack.role_of(p, caller, caller_roles) in ('owner', 'maintainer') then 'editor'
          when pack.role_of(p, caller, caller_roles) is not null then 'member' else 'reader' end
        from pack.pack p where p.id = a.pack_id and pack.can_read(p, caller, caller_roles))
    when a.event_id is not null then (
      select case when event.role_of(e, caller, caller_roles) is not null then 'editor' else 'reader' end
        from event.event e where e.id = a.event_id and event.can_read(e, caller, caller_roles))
    when a.organization_id is not null then (
      select case when organization.role_of(o.id, caller, caller_roles) in ('owner', 'manager') then 'editor'
          when organization.role_of(o.id, caller, caller_roles) is not null then 'member' else 'reader' end
        from organization.organization o where o.id = a.organization_id and organization.can_read(o, caller, caller_roles))
    when exists (select from account."user" u where u.id = a.owner_id and u.deleted_at is not null) then null
    when a.owner_id = caller or 'admin' = any (caller_roles) then 'editor'
    else 'reader'
  end
$$;

create or replace function image.can_view_album(a image.album, caller uuid, caller_roles text[], share uuid) returns boolean language sql stable as $$
  select case image.role_of(a, caller, caller_roles)
      when 'editor' then true
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
