-- When this database was restored: what is in the storage and not in the tables may be newer than they are.
create schema backup;

create table backup.restore (
  id uuid primary key,
  -- The backup's.
  name text not null,
  made_at timestamptz not null,
  restored_at timestamptz not null default now()
);
