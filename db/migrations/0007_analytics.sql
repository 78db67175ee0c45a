-- expand
-- Analytics: what happened, without who it was ----------------------------------------------------------------------
create schema analytics;

-- Raw rows, by month: a month that is too old is dropped, not deleted from. The same within an hour is one row.
create table analytics.event (
  hour timestamptz not null,
  key bytea not null,                               -- digest of kind, subject, dimensions and visitor
  at timestamptz not null,
  kind text not null,
  subject_kind text not null,
  subject_id uuid not null,
  visitor bytea not null,                           -- digest with the day's salt: says nothing on another day
  version text not null,
  format text not null,
  launcher text not null,
  channel text not null,
  source text not null,                             -- where a view came from; the version before an update; how a registration began
  xid xid8 not null default pg_current_xact_id(),   -- in whose order rows are rolled up, so that none is passed over
  primary key (hour, key)
) partition by range (hour);
create index event_xid on analytics.event (xid);

-- Makes the months that rows are written to: from that of yesterday to the one after next.
create function analytics.prepare_months() returns void language plpgsql as $$
declare
  month timestamp := date_trunc('month', (now() - interval '2 days') at time zone 'UTC');
begin
  perform pg_advisory_xact_lock(7368057);
  while month <= date_trunc('month', now() at time zone 'UTC') + interval '2 months' loop
    execute format('create table if not exists analytics.%I partition of analytics.event for values from (%L) to (%L)',
      'event_' || to_char(month, 'YYYY_MM'), month at time zone 'UTC', (month + interval '1 month') at time zone 'UTC');
    month := month + interval '1 month';
  end loop;
end
$$;

-- Drops the months that had ended by then, and answers with their names.
create function analytics.drop_months(until timestamptz) returns setof text language plpgsql as $$
declare
  part text;
begin
  perform pg_advisory_xact_lock(7368057);
  for part in
    select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
      where i.inhparent = 'analytics.event'::regclass
        and (to_date(right(c.relname, 7), 'YYYY_MM') + interval '1 month') at time zone 'UTC' <= until
  loop
    execute format('drop table analytics.%I', part);
    return next part;
  end loop;
end
$$;

select analytics.prepare_months();

-- Made of the raw rows again and again: whatever writes them deletes an hour's, a day's first.
create table analytics.hourly (
  hour timestamptz not null,
  kind text not null,
  subject_kind text not null,
  subject_id uuid not null,
  version text not null,
  format text not null,
  launcher text not null,
  channel text not null,
  source text not null,
  count bigint not null
);
create index hourly_hour on analytics.hourly (hour, kind);
create index hourly_subject_id on analytics.hourly (subject_id, kind, hour);

create table analytics.daily (
  day date not null,
  kind text not null,
  subject_kind text not null,
  subject_id uuid not null,
  version text not null,
  format text not null,
  launcher text not null,
  channel text not null,
  source text not null,
  count bigint not null
);
create index daily_day on analytics.daily (day, kind);
create index daily_subject_id on analytics.daily (subject_id, kind, day);

-- How many different visitors a day: of a subject, and (subject_kind 'site') of all together.
create table analytics.visitors (
  day date not null,
  kind text not null,
  subject_kind text not null,
  subject_id uuid not null,
  count bigint not null
);
create index visitors_day on analytics.visitors (day, kind);
create index visitors_subject_id on analytics.visitors (subject_id, kind, day);

create table analytics.total (
  subject_id uuid not null,
  kind text not null,
  count bigint not null,
  primary key (subject_id, kind)
);

-- One for each UTC day, deleted after two: nobody can say any more whose digest it was.
create table analytics.salt (
  day date primary key,
  value bytea not null
);

-- What could not be kept.
create table analytics.dropped (
  day date not null,
  reason text not null,
  count bigint not null,
  primary key (day, reason)
);

-- How far the roll-up is: one row.
create table analytics.progress (
  single boolean primary key default true check (single),
  as_of timestamptz not null default now(),         -- what was committed before is in the tables above
  next_xid xid8 not null default '0',
  derived_until timestamptz not null default '-infinity'  -- of what is taken from the tables of events
);
insert into analytics.progress default values;

-- Reports that somebody wants by mail.
create table analytics.schedule (
  user_id uuid not null references account."user" (id) on delete cascade,
  every text not null check (every in ('week', 'month')),
  report text not null,
  subject_kind text not null,
  subject_id uuid not null,
  sent_until timestamptz not null,                  -- the end of the last period that was sent
  primary key (user_id, every, report, subject_id)
);
create index schedule_sent_until on analytics.schedule (every, sent_until);

create index registration_change_created_at on event.registration_change (created_at);
