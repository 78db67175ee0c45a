-- expand
-- Technic Solder: versions as zips that a launcher extracts over each other -----------------------------------------
alter table pack.pack add column solder boolean not null default false; -- somebody has asked: versions are packed when they are published

create table pack.solder_mod (
  version_id uuid not null references pack.version (id) on delete cascade,
  name text not null,
  mod_version text not null,                        -- ends with a digest of what the zip holds: the same in all versions that have it
  blob_id uuid not null references blob.blob (id) on delete restrict,
  primary key (version_id, name)
);
create index solder_mod_name on pack.solder_mod (name, mod_version);
create index solder_mod_blob_id on pack.solder_mod (blob_id);

-- Installations of a launcher that may read a private pack, by the ids that they send along.
create table pack.solder_client (
  pack_id uuid not null references pack.pack (id) on delete cascade,
  client_id uuid not null,
  name text not null,
  created_at timestamptz not null default now(),
  primary key (pack_id, client_id)
);
create index solder_client_client_id on pack.solder_client (client_id);

-- Keys with which a platform or a launcher sees the packs that their owner sees.
create table account.solder_key (
  id uuid primary key,
  user_id uuid not null references account."user" (id) on delete cascade,
  name text not null,
  key_hash text not null unique,                    -- SHA-256, hex
  created_at timestamptz not null default now(),
  used_at timestamptz
);
create index solder_key_user_id on account.solder_key (user_id, id desc);
