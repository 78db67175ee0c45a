-- expand
-- Sunduk as an OpenID provider: codes that a browser brings to a client, and the keys of ID tokens -----------------
create table account.authorization_code (
  code_hash text primary key,                       -- SHA-256, hex
  client_id text not null,
  redirect_uri text not null,
  challenge text not null,                          -- PKCE, S256
  nonce text,
  scopes text[] not null,
  user_id uuid not null references account."user" (id) on delete cascade,
  player_id uuid references player.player (id) on delete cascade,    -- as whom he plays there
  authenticated_at timestamptz not null,            -- when he showed his password in that browser
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  used_at timestamptz,
  session_id uuid references account.session (id) on delete cascade  -- that it was redeemed for
);
create index authorization_code_user_id on account.authorization_code (user_id);
create index authorization_code_player_id on account.authorization_code (player_id);
create index authorization_code_session_id on account.authorization_code (session_id);
create index authorization_code_expires_at on account.authorization_code (expires_at);

alter table account.session
  add column authenticated_at timestamptz,          -- of a client's session: when its user showed his password; null: not known
  add column player_id uuid references player.player (id) on delete set null;
create index session_player_id on account.session (player_id);

alter table account.device_grant add column player_id uuid references player.player (id) on delete set null;
create index device_grant_player_id on account.device_grant (player_id);

create table account.id_token_key (
  number integer primary key,                       -- the next one is made once, whoever begins
  kid text not null unique,
  public_key jsonb not null,                        -- a JWK
  sealed text not null,                             -- the private one
  created_at timestamptz not null default now()
);
