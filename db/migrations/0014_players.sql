-- expand
-- Players: who an account is in a game, and what they look like -------------------------------------------------
create schema player;

create table player.player (
  id uuid primary key,                              -- the game's: version 4, or version 3 of the name that it was made with
  user_id uuid not null references account."user" (id) on delete cascade,
  name text not null,
  name_folded text not null unique,                 -- in lower case
  model text not null default 'default' check (model in ('default', 'slim')),
  skin_blob_id uuid references blob.blob (id) on delete restrict, -- PNGs that we have encoded: a texture is its SHA-256
  cape_blob_id uuid references blob.blob (id) on delete restrict,
  skin_upload_id uuid,                              -- of what is being made a skin of: the last one that was sent wins
  cape_upload_id uuid,
  created_at timestamptz not null default now()
);
create index player_user_id on player.player (user_id, created_at);
create index player_skin_blob_id on player.player (skin_blob_id);
create index player_cape_blob_id on player.player (cape_blob_id);

-- Names that players had lately: servers know people by them, so nobody else gets one at once.
create table player.former_name (
  name_folded text primary key,
  user_id uuid not null references account."user" (id) on delete cascade, -- may take it again
  free_at timestamptz not null
);
create index former_name_user_id on player.former_name (user_id);
create index former_name_free_at on player.former_name (free_at);

-- Passwords for launchers that know only names and passwords -------------------------------------------------------
create table account.app_password (
  id uuid primary key,
  user_id uuid not null references account."user" (id) on delete cascade,
  name text not null,
  hash text not null unique,                        -- SHA-256 of what is random, hex
  created_at timestamptz not null default now(),
  used_at timestamptz,
  expires_at timestamptz                            -- null: never
);
create index app_password_user_id on account.app_password (user_id, id desc);
