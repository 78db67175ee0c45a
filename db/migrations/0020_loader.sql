-- expand
-- What makers of loaders tell about them: fetched once, kept as it came -----------------------------------------------
create table pack.loader (
  name text not null check (name in ('fabric', 'quilt')),
  version text not null,
  minecraft text not null,
  state text not null default 'wanted' check (state in ('wanted', 'known', 'missing')), -- missing: its makers know of none such
  profile bytea,
  md5 text,
  failures integer not null default 0,              -- in a row
  next_at timestamptz not null,                     -- nobody asks before that
  primary key (name, version, minecraft),
  check ((state = 'known') = (profile is not null)),
  check ((profile is null) = (md5 is null))
);
