-- expand
-- When this database was restored: what is in the storage and not in the tables may be newer than they are.
create schema backup;

create table backup.restore (
  id uuid primary key,
  -- The backup's.
  name text not null,
  made_at timestamptz not null,
  restored_at timestamptz not null default now()
);

-- Backups that were begun here, for the schedule and for whoever asks whether there is one.
create table backup.made (
  id uuid primary key,
  name text,
  place text not null,
  began_at timestamptz not null default now(),
  ended_at timestamptz,
  size_bytes bigint not null default 0,
  -- Objects that the storage no longer had as they should be.
  damaged integer not null default 0,
  problem text
);
create index made_place on backup.made (place, began_at);
