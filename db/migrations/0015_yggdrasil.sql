-- expand
-- Sign-ins of games (Yggdrasil): each is a session like any other, and what else such a client is told --------------
create schema yggdrasil;

create table yggdrasil.token (
  session_id uuid primary key references account.session (id) on delete cascade, -- ends with it
  token_hash text not null unique,                  -- SHA-256 of the token, hex; another after each refresh
  client_token text not null,
  player_id uuid references player.player (id) on delete set null, -- who is played
  player_name text,                                 -- his name as it was told: once it is another, the client has to refresh
  app_password_id uuid references account.app_password (id) on delete cascade,
  issued_at timestamptz not null default now()
);
create index token_player_id on yggdrasil.token (player_id);
create index token_app_password_id on yggdrasil.token (app_password_id);

-- Players on their way into a game server: asked for once, within half a minute.
create table yggdrasil.joining (
  player_id uuid primary key references player.player (id) on delete cascade,
  session_id uuid not null references account.session (id) on delete cascade,
  server_id text not null,
  address text not null,
  joined_at timestamptz not null default now()
);
create index joining_session_id on yggdrasil.joining (session_id);
create index joining_joined_at on yggdrasil.joining (joined_at);
