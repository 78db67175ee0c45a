-- Accounts in full: profiles, addresses, sessions that can be looked at and ended, and every other way to be somebody ----
alter table account."user"
  alter column password_hash drop not null,         -- somebody who signs in through a provider has none
  add column email_verified_at timestamptz,
  add column display_name text not null default '',
  add column bio text not null default '',
  add column locale text not null default 'en',
  add column time_zone text not null default 'UTC',
  add column links jsonb not null default '{}',
  add column preferences jsonb not null default '{}',
  add column revision integer not null default 1,
  add column password_changes integer not null default 0,  -- a sign-in that began before the last one is refused
  add column ver integer not null default 0,        -- raised by role changes and disabling: older access tokens end
  add column totp_secret text,                      -- sealed with a key that is not in here; counts once it is confirmed
  add column totp_confirmed_at timestamptz,
  add column totp_last_step bigint,                 -- the last time step used: a code is good once
  add column totp_tries integer not null default 0, -- wrong codes since that time; a right one begins anew
  add column totp_tries_since timestamptz not null default now(),
  add column deleted_at timestamptz,                -- hidden from everybody
  add column erase_after timestamptz;               -- until then it can be undone; then null: it is being, or was, erased
create unique index user_email_verified on account."user" (email) where email_verified_at is not null;
create index user_erase_after on account."user" (erase_after) where erase_after is not null;
create index user_admin on account."user" (id) where 'admin' = any (roles);
create index user_gone on account."user" (id) where deleted_at is not null;

alter table account.session
  add column device text not null default '',
  add column address text not null default '',
  add column client_id text,                        -- of a device grant
  add column scopes text[],                         -- null: everything the user may do
  add column fresh_at timestamptz not null default now(),  -- when the password (or provider) was last shown
  add column used_at timestamptz not null default now(),
  add column ended_reason text,
  drop constraint session_kind_check,
  add constraint session_kind_check check (kind in ('web', 'launcher', 'cli', 'service'));
create index session_ended_at on account.session (ended_at);
create index session_expires_at on account.session (expires_at);

-- What processes poll: revocations in order of the transactions that made them, so that none is passed over.
create table account.revocation (
  id uuid primary key,
  kind text not null check (kind in ('session', 'user', 'token')),
  subject uuid not null,
  ver integer,                                      -- user: access tokens with a smaller one are refused; null: all of them
  revoked_at timestamptz not null default clock_timestamp(),
  revoked_xid xid8 not null default pg_current_xact_id()
);
create index revocation_revoked_xid on account.revocation (revoked_xid);
create index revocation_revoked_at on account.revocation (revoked_at);

create table account.invite (
  id uuid primary key,
  code_hash text not null unique,
  note text not null default '',
  created_by uuid references account."user" (id) on delete set null,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  used_at timestamptz,
  used_by uuid references account."user" (id) on delete set null
);
create index invite_created_by on account.invite (created_by);
create index invite_used_by on account.invite (used_by);

-- Links sent by mail: to prove an address, to set a new password.
create table account.mail_link (
  id uuid primary key,
  token_hash text not null unique,
  user_id uuid not null references account."user" (id) on delete cascade,
  purpose text not null check (purpose in ('verify', 'reset')),
  email text not null,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  used_at timestamptz
);
create index mail_link_user_id on account.mail_link (user_id);
create index mail_link_expires_at on account.mail_link (expires_at);

create table account.access_token (
  id uuid primary key,
  user_id uuid not null references account."user" (id) on delete cascade,
  name text not null,
  token_hash text not null unique,                  -- SHA-256: the token itself is 256 random bits
  scopes text[] not null,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  used_at timestamptz,
  revoked_at timestamptz
);
create index access_token_user_id on account.access_token (user_id);

create table account.recovery_code (
  user_id uuid not null references account."user" (id) on delete cascade,
  code_hash text not null,
  used_at timestamptz,
  primary key (user_id, code_hash)
);

create table account.identity (
  provider text not null,
  subject text not null,
  user_id uuid not null references account."user" (id) on delete cascade,
  email text,
  created_at timestamptz not null default now(),
  primary key (provider, subject),
  unique (user_id, provider)
);

-- A sign-in through a provider that is under way. Nonce and PKCE verifier are derived from the state, which only its browser has.
create table account.provider_flow (
  state_hash text primary key,
  provider text not null,
  purpose text not null check (purpose in ('sign-in', 'link', 'second-factor')),
  binding_hash text not null,                       -- of a cookie: what one browser began no other can end
  user_id uuid references account."user" (id) on delete cascade,       -- who links, or who still has to give a code
  session_id uuid references account.session (id) on delete cascade,   -- in which he links
  return_to text not null default '/',
  created_at timestamptz not null default now(),
  expires_at timestamptz not null
);
create index provider_flow_session_id on account.provider_flow (session_id);
create index provider_flow_user_id on account.provider_flow (user_id);
create index provider_flow_expires_at on account.provider_flow (expires_at);

-- A device that asks to be signed in (RFC 8628), until its user has decided and it has fetched its tokens.
create table account.device_grant (
  id uuid primary key,
  device_hash text not null unique,                 -- of the secret that the device polls with
  user_code_hash text not null unique,              -- of the code that its user types
  client_id text not null,
  scopes text[] not null,
  device text not null default '',
  address text not null default '',
  state text not null default 'pending' check (state in ('pending', 'approved', 'denied', 'used')),
  user_id uuid references account."user" (id) on delete cascade,  -- who looks at it, then who has decided
  confirm_hash text,                                -- of the cookie of the browser in which he looks at it
  password_changes integer,                         -- his, when he showed his password there
  interval_seconds integer not null default 5,
  polled_at timestamptz,
  hasty boolean not null default false,             -- the last poll came before the interval was over
  created_at timestamptz not null default now(),
  expires_at timestamptz not null
);
create index device_grant_user_id on account.device_grant (user_id);
create index device_grant_expires_at on account.device_grant (expires_at);

create table account.activity (
  id uuid primary key,
  user_id uuid not null references account."user" (id) on delete cascade,
  kind text not null,
  subject text not null default '',
  created_at timestamptz not null default now()
);
create index activity_user_id on account.activity (user_id, id desc);
create index activity_created_at on account.activity (created_at);

-- Mails to be sent: written in the transaction that makes them necessary ---------------------------------------------
create schema mail;

create table mail.mail (
  id uuid primary key,                              -- its Message-ID, so that a second delivery is seen as one
  kind text not null,
  recipient text not null,                          -- empty when only sending finds out who it is
  locale text not null,
  params jsonb not null,                            -- what the text needs; links are made at sending time
  created_at timestamptz not null default now(),
  claimed_until timestamptz,                        -- one run at a time sends it
  sent_at timestamptz,
  dropped text                                      -- why it will not be sent
);
create index mail_created_at on mail.mail (created_at);
create index mail_sent on mail.mail (recipient, kind, sent_at);

-- Facts that other modules care about, and who has seen them ---------------------------------------------------------
create schema outbox;

create table outbox.fact (
  id uuid primary key,
  kind text not null,
  payload jsonb not null,
  created_at timestamptz not null default now(),
  attempts integer not null default 0,              -- deliveries that failed
  due_at timestamptz not null default now(),
  relayed_at timestamptz
);
create index fact_due_at on outbox.fact (due_at) where relayed_at is null;
create index fact_relayed_at on outbox.fact (relayed_at) where relayed_at is not null;

create table outbox.delivery (
  fact_id uuid not null references outbox.fact (id) on delete cascade,
  receiver text not null,
  delivered_at timestamptz not null default now(),
  primary key (fact_id, receiver)
);

-- Rate limits (GCRA): the theoretical arrival time of each key -------------------------------------------------------
create unlogged table api.rate (
  key text primary key,
  arrival_at timestamptz not null
);
create index rate_arrival_at on api.rate (arrival_at);

-- What belongs to a hidden account is hidden with it, and there again when that is undone -------------------------------
create or replace function pack.can_read(p pack.pack, caller uuid, caller_roles text[]) returns boolean language sql stable as $$
  select p.deleted_at is null and not exists (select from account."user" u where u.id = p.owner_id and u.deleted_at is not null) and (
    p.visibility <> 'private'
    or pack.role_of(p, caller, caller_roles) is not null
    or exists (select from pack.reader_user r where r.pack_id = p.id and r.user_id = caller)
    or exists (select from pack.reader_role r where r.pack_id = p.id and r.role = any (caller_roles)))
$$;

create or replace function file.can_read(f file.file, caller uuid, caller_roles text[]) returns boolean language sql stable as $$
  select not exists (select from account."user" u where u.id = f.owner_id and u.deleted_at is not null) and (
    f.visibility = 'public' or f.owner_id = caller or 'admin' = any (caller_roles)
    or exists (select from file.reader_user r where r.file_id = f.id and r.user_id = caller)
    or exists (select from file.reader_role r where r.file_id = f.id and r.role = any (caller_roles)))
$$;
