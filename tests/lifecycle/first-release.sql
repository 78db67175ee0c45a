-- What the first release (c0b0d14) had made: its tables, and rows of a pack that was published with it. Made by freeze.ts.

-- Accounts and sessions -----------------------------------------------------------------------------------------
create schema account;

create table account."user" (
  id uuid primary key,
  login text not null unique,                       -- folded: lower case
  email text,
  password_hash text not null,                      -- PHC string, argon2id
  roles text[] not null default '{}',               -- admin, operator, author
  created_at timestamptz not null default now(),
  disabled_at timestamptz
);

create table account.session (
  id uuid primary key,
  user_id uuid not null references account."user" (id) on delete cascade,
  kind text not null check (kind in ('web', 'launcher', 'cli')),
  salt text not null,                               -- part of the refresh token's MAC
  counter integer not null default 0,               -- refresh tokens of this session handed out so far
  advanced_at timestamptz not null default now(),
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  ended_at timestamptz
);
create index session_user_id on account.session (user_id);

-- Jobs: what has been asked of an actor, and how far it is ------------------------------------------------------
create schema job;

create table job.job (
  id uuid primary key,
  actor text not null,
  subject text not null,                            -- what it is about: one row for each (actor, subject)
  payload jsonb not null,                           -- ids only
  owner_id uuid references account."user" (id) on delete set null,
  wanted integer not null default 1,                -- revision asked for
  done integer not null default 0,                  -- revision settled
  state text not null default 'waiting' check (state in ('waiting', 'running', 'completed', 'failed')),
  progress real not null default 0,
  attempts integer not null default 0,
  broken_off integer not null default 0,            -- runs in a row that never said how they ended
  result jsonb,
  problem jsonb,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (actor, subject)
);
create index job_unsettled on job.job (updated_at) where done < wanted;
create index job_owner_id on job.job (owner_id);
create index job_settled on job.job (updated_at) where done >= wanted;

create table job.canary (
  actor text primary key,
  sent_at timestamptz not null,
  seen_at timestamptz
);

-- Blobs: bytes, addressed by their digest -----------------------------------------------------------------------
create schema blob;

create table blob.blob (
  id uuid primary key,                              -- the generation: a blob that went and came back has another
  sha256 text not null unique,
  key text not null unique,                         -- of the object in storage; written once
  size_bytes bigint not null,
  sha1 text not null,
  sha512 text not null,
  md5 text not null,
  murmur2 bigint,                                   -- null above 64 MiB
  crc32 bigint not null,
  touched_at timestamptz not null default now(),
  created_at timestamptz not null default now()
);
create index blob_touched_at on blob.blob (touched_at);

-- A key that is being written: the row comes first, so that a sweep finds what a crash left behind.
create table blob.attempt (
  id uuid primary key,
  key text not null unique,
  created_at timestamptz not null default now()
);

-- Keys whose rows are gone; the objects follow.
create table blob.doomed (
  key text primary key,
  size_bytes bigint not null default 0,
  reason text not null,
  remove_after timestamptz not null
);
create index doomed_remove_after on blob.doomed (remove_after);

create table blob.blocked (
  sha256 text primary key,
  reason text not null,
  blocked_at timestamptz not null default now()
);

create table blob.upload (
  id uuid primary key,
  owner_id uuid not null references account."user" (id) on delete cascade,
  sha256 text not null,
  size_bytes bigint not null,
  name text not null,
  state text not null default 'waiting' check (state in ('waiting', 'verifying', 'verified', 'rejected')),
  reason text,
  parts_id text,                                    -- multipart upload at the storage, for large files
  part_bytes bigint,
  attempt_id uuid,                                  -- the multipart upload's final key
  blob_id uuid references blob.blob (id) on delete restrict,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  expires_at timestamptz not null
);
create index upload_owner_sha256 on blob.upload (owner_id, sha256);
create index upload_blob_id on blob.upload (blob_id);
create index upload_expires_at on blob.upload (expires_at) where state <> 'verified';
create index upload_parts_id on blob.upload (parts_id) where parts_id is not null;
create index upload_attempt_id on blob.upload (attempt_id) where attempt_id is not null;

-- What each user has sent: the guarded counter behind the quota.
create table blob.quota (
  user_id uuid primary key references account."user" (id) on delete cascade,
  uploads integer not null default 0 check (uploads >= 0),
  size_bytes bigint not null default 0 check (size_bytes >= 0)
);

-- Packs ---------------------------------------------------------------------------------------------------------
create schema pack;

create table pack.pack (
  id uuid primary key,
  slug text not null unique,                        -- never reused: a deleted pack keeps its row
  name text not null,
  summary text not null default '',
  description text not null default '',             -- Markdown
  licence text not null default '',
  tags text[] not null default '{}',
  links jsonb not null default '{}',
  icon_blob_id uuid references blob.blob (id) on delete restrict,
  visibility text not null default 'private' check (visibility in ('private', 'unlisted', 'public')),
  owner_id uuid not null references account."user" (id),
  revision integer not null default 1,
  published_count integer not null default 0,       -- versions published so far: gives each its number
  minecraft text[] not null default '{}',           -- of published versions, for searching
  loaders text[] not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  deleted_at timestamptz
);
create index pack_public on pack.pack (updated_at desc, id desc) where deleted_at is null;
create index pack_owner_id on pack.pack (owner_id);
create index pack_icon_blob_id on pack.pack (icon_blob_id);
create index pack_deleted_at on pack.pack (deleted_at) where deleted_at is not null;

create table pack.member (
  pack_id uuid not null references pack.pack (id) on delete cascade,
  user_id uuid not null references account."user" (id) on delete cascade,
  role text not null check (role in ('maintainer', 'publisher')),
  primary key (pack_id, user_id)
);
create index member_user_id on pack.member (user_id);

create table pack.reader_user (
  pack_id uuid not null references pack.pack (id) on delete cascade,
  user_id uuid not null references account."user" (id) on delete cascade,
  primary key (pack_id, user_id)
);
create index reader_user_user_id on pack.reader_user (user_id);

create table pack.reader_role (
  pack_id uuid not null references pack.pack (id) on delete cascade,
  role text not null,
  primary key (pack_id, role)
);

create table pack.version (
  id uuid primary key,
  pack_id uuid not null references pack.pack (id) on delete cascade,
  version text not null,
  channel text not null check (channel in ('release', 'beta', 'alpha')),
  minecraft text not null,
  loader_name text,
  loader_version text,
  changelog text not null default '',
  state text not null default 'draft' check (state in ('draft', 'publishing', 'published', 'withdrawn')),
  content_digest text not null,                     -- of what the author declared: same again or something else?
  revision integer not null default 1,
  number integer,                                   -- order of publishing in its pack
  created_by uuid not null references account."user" (id), -- who declared its files
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  expires_at timestamptz,                           -- drafts only
  published_at timestamptz,
  yanked_at timestamptz,
  withdrawn_at timestamptz,
  withdrawn_reason text,
  manifest bytea,                                   -- the native manifest, frozen at publishing
  manifest_sha256 text,
  unique (pack_id, version),
  check (state in ('draft', 'publishing') or (number is not null and manifest is not null))
);
create index version_newest on pack.version (pack_id, number desc);
create index version_expires_at on pack.version (expires_at) where state = 'draft';
create index version_created_by on pack.version (created_by);

create table pack.version_file (
  version_id uuid not null references pack.version (id) on delete cascade,
  path text not null,
  side text not null check (side in ('both', 'client', 'server')),
  optional boolean not null default false,
  preserve boolean not null default false,
  sha256 text,                                      -- null for a reference whose sha256 nobody knows
  size_bytes bigint,
  blob_id uuid references blob.blob (id) on delete restrict,
  url text,                                         -- a reference: where the bytes are fetched from
  digests jsonb,                                    -- a reference: what its author says of them
  mirror text check (mirror in ('wanted', 'refused')),
  mirror_reason text,
  primary key (version_id, path),
  check (url is not null or (sha256 is not null and size_bytes is not null))
);
create index version_file_blob_id on pack.version_file (blob_id);
create index version_file_missing on pack.version_file (sha256) where blob_id is null;

create table pack.archive (
  version_id uuid not null references pack.version (id) on delete cascade,
  format text not null check (format in ('mrpack', 'zip')),
  side text not null check (side in ('both', 'client', 'server')),
  base text not null,                               -- public address that the file URLs in it begin with; '' when it holds none
  blob_id uuid not null references blob.blob (id) on delete restrict,
  created_at timestamptz not null default now(),
  primary key (version_id, format, side, base)
);
create index archive_blob_id on pack.archive (blob_id);

-- The caller's role in a pack; an admin is its owner everywhere.
create function pack.role_of(p pack.pack, caller uuid, caller_roles text[]) returns text language sql stable as $$
  select case
    when caller is null then null
    when p.owner_id = caller or 'admin' = any (caller_roles) then 'owner'
    else (select m.role from pack.member m where m.pack_id = p.id and m.user_id = caller)
  end
$$;

create function pack.can_read(p pack.pack, caller uuid, caller_roles text[]) returns boolean language sql stable as $$
  select p.deleted_at is null and (
    p.visibility <> 'private'
    or pack.role_of(p, caller, caller_roles) is not null
    or exists (select from pack.reader_user r where r.pack_id = p.id and r.user_id = caller)
    or exists (select from pack.reader_role r where r.pack_id = p.id and r.role = any (caller_roles)))
$$;

-- What a caller may do with a blob because of the packs it is in: 'public' (anybody may, caches may keep it), 'private', or null.
-- Each look ends at the first pack that answers it: a file may be in every version of a pack.
create function pack.blob_access(blob uuid, caller uuid, caller_roles text[]) returns text language sql stable as $$
  select case
    when not (
      exists (
        select from pack.version_file f join pack.version v on v.id = f.version_id join pack.pack p on p.id = v.pack_id
        where f.blob_id = blob and pack.can_read(p, caller, caller_roles)
          and (v.state = 'published' or (v.state in ('draft', 'publishing') and pack.role_of(p, caller, caller_roles) is not null)))
      or exists (
        select from pack.archive a join pack.version v on v.id = a.version_id join pack.pack p on p.id = v.pack_id
        where a.blob_id = blob and v.state = 'published' and pack.can_read(p, caller, caller_roles))
      or exists (select from pack.pack p where p.icon_blob_id = blob and pack.can_read(p, caller, caller_roles))) then null
    when exists (
        select from pack.version_file f join pack.version v on v.id = f.version_id join pack.pack p on p.id = v.pack_id
        where f.blob_id = blob and v.state = 'published' and p.visibility = 'public' and p.deleted_at is null)
      or exists (select from pack.pack p where p.icon_blob_id = blob and p.visibility = 'public' and p.deleted_at is null) then 'public'
    else 'private'
  end
$$;

-- Files that stand alone ----------------------------------------------------------------------------------------
create schema file;

create table file.file (
  id uuid primary key,
  owner_id uuid not null references account."user" (id) on delete cascade,
  name text not null,
  blob_id uuid not null references blob.blob (id) on delete restrict,
  visibility text not null default 'private' check (visibility in ('private', 'public')),
  revision integer not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create index file_owner_id on file.file (owner_id, id);
create index file_blob_id on file.file (blob_id);

create table file.reader_user (
  file_id uuid not null references file.file (id) on delete cascade,
  user_id uuid not null references account."user" (id) on delete cascade,
  primary key (file_id, user_id)
);
create index file_reader_user_user_id on file.reader_user (user_id);

create table file.reader_role (
  file_id uuid not null references file.file (id) on delete cascade,
  role text not null,
  primary key (file_id, role)
);

create function file.can_read(f file.file, caller uuid, caller_roles text[]) returns boolean language sql stable as $$
  select f.visibility = 'public' or f.owner_id = caller or 'admin' = any (caller_roles)
    or exists (select from file.reader_user r where r.file_id = f.id and r.user_id = caller)
    or exists (select from file.reader_role r where r.file_id = f.id and r.role = any (caller_roles))
$$;

create function file.blob_access(blob uuid, caller uuid, caller_roles text[]) returns text language sql stable as $$
  select 'private' from file.file f where f.blob_id = blob and file.can_read(f, caller, caller_roles) limit 1
$$;

-- Answers kept for callers who repeat a creating request ---------------------------------------------------------
create schema api;

create table api.idempotency (
  caller text not null,
  key text not null,
  route text not null,
  digest text not null,
  status integer,
  headers jsonb,
  body text,
  created_at timestamptz not null default now(),
  primary key (caller, key)
);
create index idempotency_created_at on api.idempotency (created_at);


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


create table public.migration (name text primary key, digest text not null, applied_at timestamptz not null default now());

set session_replication_role = replica;

insert into account."user" select * from jsonb_populate_recordset(null::account."user", $rows$[{"id": "01a1f926-3b35-728e-b34b-a2fb4b0d3c6e", "bio": "", "ver": 0, "email": null, "links": {}, "login": "first-author", "roles": [], "locale": "en", "revision": 1, "time_zone": "UTC", "created_at": "2026-11-20T13:29:54.831298+00:00", "deleted_at": null, "totp_tries": 0, "disabled_at": null, "erase_after": null, "preferences": {}, "totp_secret": null, "display_name": "", "password_hash": "$argon2id$v=19$m=19456,t=2,p=1$vU5Oni7vSno3kXiM6fqHwzHN54Bob9XPXvfVieo6R0Y$SlnhT3gbxK4AvmEpclXKBsXqCOKkGlOWQti1EGktPDU", "totp_last_step": null, "password_changes": 0, "totp_tries_since": "2026-11-20T13:29:54.831298+00:00", "email_verified_at": null, "totp_confirmed_at": null}, {"id": "01a1f926-3ba1-7200-a5a6-d643347297ca", "bio": "", "ver": 0, "email": null, "links": {}, "login": "first-player", "roles": [], "locale": "en", "revision": 1, "time_zone": "UTC", "created_at": "2026-11-20T13:29:54.919146+00:00", "deleted_at": null, "totp_tries": 0, "disabled_at": null, "erase_after": null, "preferences": {}, "totp_secret": null, "display_name": "", "password_hash": "$argon2id$v=19$m=19456,t=2,p=1$vOBDU/SXcdmOzi09FxP1Rv/Ea6OEiJNXc5V9KccS1e4$BdK4vfcUGZoulWD5ffvlFMLmfmlDS8K4Y6sLhsvEGkk", "totp_last_step": null, "password_changes": 0, "totp_tries_since": "2026-11-20T13:29:54.919146+00:00", "email_verified_at": null, "totp_confirmed_at": null}]$rows$);

insert into account.activity select * from jsonb_populate_recordset(null::account.activity, $rows$[{"id": "01a1f926-3b92-7061-889e-60a623f85103", "kind": "registered", "subject": "", "user_id": "01a1f926-3b35-728e-b34b-a2fb4b0d3c6e", "created_at": "2026-11-20T13:29:54.831298+00:00"}, {"id": "01a1f926-3b99-70b5-ac4e-ef9912f5a089", "kind": "signed-in", "subject": "Bun/1.4.4", "user_id": "01a1f926-3b35-728e-b34b-a2fb4b0d3c6e", "created_at": "2026-11-20T13:29:54.84383+00:00"}, {"id": "01a1f926-3be9-7552-8147-a036be19c474", "kind": "registered", "subject": "", "user_id": "01a1f926-3ba1-7200-a5a6-d643347297ca", "created_at": "2026-11-20T13:29:54.919146+00:00"}, {"id": "01a1f926-3bea-7273-b37f-0d93957c0dbd", "kind": "signed-in", "subject": "Bun/1.4.4", "user_id": "01a1f926-3ba1-7200-a5a6-d643347297ca", "created_at": "2026-11-20T13:29:54.923021+00:00"}, {"id": "01a1f926-3d15-75f1-9282-d038930aea71", "kind": "published", "subject": "first-pack 1.0.0", "user_id": "01a1f926-3b35-728e-b34b-a2fb4b0d3c6e", "created_at": "2026-11-20T13:29:55.206066+00:00"}, {"id": "01a1f926-3db4-7124-9a9b-e326d60d1db8", "kind": "published", "subject": "first-pack 1.1.0", "user_id": "01a1f926-3b35-728e-b34b-a2fb4b0d3c6e", "created_at": "2026-11-20T13:29:55.376852+00:00"}]$rows$);

insert into account.session select * from jsonb_populate_recordset(null::account.session, $rows$[{"id": "01a1f926-3b97-745e-917d-0ec1e6e913e9", "kind": "launcher", "salt": "ip8Fq6LRQLZdmXvotCUc0aENScupVsWu_t6ooG-OfGg", "device": "Bun/1.4.4", "scopes": null, "address": "127.0.0.1", "counter": 0, "used_at": "2026-11-20T13:29:54.839872+00:00", "user_id": "01a1f926-3b35-728e-b34b-a2fb4b0d3c6e", "ended_at": null, "fresh_at": "2026-11-20T13:29:54.839872+00:00", "client_id": null, "created_at": "2026-11-20T13:29:54.839872+00:00", "expires_at": "2027-02-18T13:29:54.839872+00:00", "advanced_at": "2026-11-20T13:29:54.839872+00:00", "ended_reason": null}, {"id": "01a1f926-3be9-7553-a3d1-aa907324f2d7", "kind": "launcher", "salt": "JEdEjlCMukUJo6Ch9I9zfH51UREzhCbhdwls3E9uBwo", "device": "Bun/1.4.4", "scopes": null, "address": "127.0.0.1", "counter": 0, "used_at": "2026-11-20T13:29:54.922083+00:00", "user_id": "01a1f926-3ba1-7200-a5a6-d643347297ca", "ended_at": null, "fresh_at": "2026-11-20T13:29:54.922083+00:00", "client_id": null, "created_at": "2026-11-20T13:29:54.922083+00:00", "expires_at": "2027-02-18T13:29:54.922083+00:00", "advanced_at": "2026-11-20T13:29:54.922083+00:00", "ended_reason": null}]$rows$);

insert into api.rate select * from jsonb_populate_recordset(null::api.rate, $rows$[{"key": "address:EsoXtJryKJQ28wPgFmAwoh", "arrival_at": "2026-11-20T13:29:54.849664+00:00"}]$rows$);

insert into blob.blob select * from jsonb_populate_recordset(null::blob.blob, $rows$[{"id": "01a1f926-3c6a-7678-a0b7-da7e0b1ca54f", "key": "blobs/baf77da7539ddf28ecddd9919d69ea5d2c27716fa219fecf434670f2f2bbe28b/01a1f926-3c6a-7678-a0b7-da7e0b1ca54f", "md5": "06a05e33a39ee6eff51f26350e2cff05", "sha1": "9221efe5a3338b1c709360754537a1a3a92f1491", "crc32": 724640563, "sha256": "baf77da7539ddf28ecddd9919d69ea5d2c27716fa219fecf434670f2f2bbe28b", "sha512": "bde9abfa3f94e896d8b38828d1075d9d1de003a74fd2e5fc95078e8e4163088b70daf6c4e7f39260be11f37a55dc3b53d64b0edfef51918383a774f498f61569", "murmur2": 95340157, "created_at": "2026-11-20T13:29:55.063363+00:00", "size_bytes": 14, "touched_at": "2026-11-20T13:29:55.063363+00:00"}, {"id": "01a1f926-3d76-76f8-b4a2-e0370d16c0e0", "key": "blobs/33509ce1a09edbb61845ab3fd5da1eb704660fe8b880d510e3b0dec011a95429/01a1f926-3d76-76f8-b4a2-e0370d16c0e0", "md5": "97c8f69b6b9dd3b3140a98e4f0805bc6", "sha1": "a61cd61f80357d5947a197d6ddd2d6b8961c0313", "crc32": 720587012, "sha256": "33509ce1a09edbb61845ab3fd5da1eb704660fe8b880d510e3b0dec011a95429", "sha512": "23fbcd4e7a7faae059d7ed2c7c439e09ad61a4fdf9249cdd63227c7d44c972bb5687dee0c8a3cbea2e4e3acd53f408db9bce0aeaffdf06379494b6db8638a866", "murmur2": 3860451789, "created_at": "2026-11-20T13:29:55.322846+00:00", "size_bytes": 14, "touched_at": "2026-11-20T13:29:55.322846+00:00"}]$rows$);

insert into blob.quota select * from jsonb_populate_recordset(null::blob.quota, $rows$[{"uploads": 2, "user_id": "01a1f926-3b35-728e-b34b-a2fb4b0d3c6e", "size_bytes": 28}]$rows$);

insert into blob.upload select * from jsonb_populate_recordset(null::blob.upload, $rows$[{"id": "01a1f926-3c29-7111-b198-43bbd2e0839d", "name": "mods/a.jar", "state": "verified", "reason": null, "sha256": "baf77da7539ddf28ecddd9919d69ea5d2c27716fa219fecf434670f2f2bbe28b", "blob_id": "01a1f926-3c6a-7678-a0b7-da7e0b1ca54f", "owner_id": "01a1f926-3b35-728e-b34b-a2fb4b0d3c6e", "parts_id": null, "attempt_id": null, "created_at": "2026-11-20T13:29:54.985784+00:00", "expires_at": "2026-11-21T13:29:54.985784+00:00", "part_bytes": null, "size_bytes": 14, "updated_at": "2026-11-20T13:29:55.063363+00:00"}, {"id": "01a1f926-3d61-74ee-93c7-aad3071b1335", "name": "mods/a.jar", "state": "verified", "reason": null, "sha256": "33509ce1a09edbb61845ab3fd5da1eb704660fe8b880d510e3b0dec011a95429", "blob_id": "01a1f926-3d76-76f8-b4a2-e0370d16c0e0", "owner_id": "01a1f926-3b35-728e-b34b-a2fb4b0d3c6e", "parts_id": null, "attempt_id": null, "created_at": "2026-11-20T13:29:55.297194+00:00", "expires_at": "2026-11-21T13:29:55.297194+00:00", "part_bytes": null, "size_bytes": 14, "updated_at": "2026-11-20T13:29:55.322846+00:00"}]$rows$);

insert into job.canary select * from jsonb_populate_recordset(null::job.canary, $rows$[{"actor": "verify-upload", "seen_at": "2026-11-20T13:29:54.437345+00:00", "sent_at": "2026-11-20T13:29:54.399963+00:00"}, {"actor": "mirror-reference", "seen_at": "2026-11-20T13:29:54.468234+00:00", "sent_at": "2026-11-20T13:29:54.428721+00:00"}, {"actor": "publish-version", "seen_at": "2026-11-20T13:29:54.48412+00:00", "sent_at": "2026-11-20T13:29:54.457178+00:00"}, {"actor": "build-archive", "seen_at": "2026-11-20T13:29:54.517093+00:00", "sent_at": "2026-11-20T13:29:54.480467+00:00"}, {"actor": "send-mail", "seen_at": "2026-11-20T13:29:54.526088+00:00", "sent_at": "2026-11-20T13:29:54.514731+00:00"}, {"actor": "relay-facts", "seen_at": "2026-11-20T13:29:54.554358+00:00", "sent_at": "2026-11-20T13:29:54.528195+00:00"}, {"actor": "erase-user", "seen_at": "2026-11-20T13:29:54.57004+00:00", "sent_at": "2026-11-20T13:29:54.551082+00:00"}, {"actor": "sweep-storage", "seen_at": "2026-11-20T13:29:54.587329+00:00", "sent_at": "2026-11-20T13:29:54.566067+00:00"}, {"actor": "sweep-accounts", "seen_at": "2026-11-20T13:29:54.595811+00:00", "sent_at": "2026-11-20T13:29:54.581246+00:00"}, {"actor": "resend-stuck", "seen_at": "2026-11-20T13:29:54.610966+00:00", "sent_at": "2026-11-20T13:29:54.592156+00:00"}]$rows$);

insert into job.job select * from jsonb_populate_recordset(null::job.job, $rows$[{"id": "01a1f926-3c4e-72f6-9ea1-6085d3cd0725", "done": 1, "actor": "verify-upload", "state": "completed", "result": {"state": "verified", "sha256": "baf77da7539ddf28ecddd9919d69ea5d2c27716fa219fecf434670f2f2bbe28b"}, "wanted": 1, "payload": {"uploadId": "01a1f926-3c29-7111-b198-43bbd2e0839d"}, "problem": null, "subject": "01a1f926-3c29-7111-b198-43bbd2e0839d", "attempts": 1, "owner_id": "01a1f926-3b35-728e-b34b-a2fb4b0d3c6e", "progress": 1, "broken_off": 0, "created_at": "2026-11-20T13:29:55.021313+00:00", "updated_at": "2026-11-20T13:29:55.07646+00:00"}, {"id": "01a1f926-3ceb-76ed-b7d4-41859c2581b0", "done": 1, "actor": "publish-version", "state": "completed", "result": {"state": "published", "version": "1.0.0", "manifest": "/v1/packs/first-pack/versions/1.0.0/manifest"}, "wanted": 1, "payload": {"versionId": "01a1f926-3ca6-7475-bab0-c350f6e64063"}, "problem": null, "subject": "01a1f926-3ca6-7475-bab0-c350f6e64063", "attempts": 1, "owner_id": "01a1f926-3b35-728e-b34b-a2fb4b0d3c6e", "progress": 1, "broken_off": 0, "created_at": "2026-11-20T13:29:55.174972+00:00", "updated_at": "2026-11-20T13:29:55.226306+00:00"}, {"id": "01a1f926-3d69-7754-8b22-6a03c70a248d", "done": 1, "actor": "verify-upload", "state": "completed", "result": {"state": "verified", "sha256": "33509ce1a09edbb61845ab3fd5da1eb704660fe8b880d510e3b0dec011a95429"}, "wanted": 1, "payload": {"uploadId": "01a1f926-3d61-74ee-93c7-aad3071b1335"}, "problem": null, "subject": "01a1f926-3d61-74ee-93c7-aad3071b1335", "attempts": 1, "owner_id": "01a1f926-3b35-728e-b34b-a2fb4b0d3c6e", "progress": 1, "broken_off": 0, "created_at": "2026-11-20T13:29:55.304794+00:00", "updated_at": "2026-11-20T13:29:55.324945+00:00"}, {"id": "01a1f926-3da9-743f-b9e5-e1d68fe8d5fe", "done": 1, "actor": "publish-version", "state": "completed", "result": {"state": "published", "version": "1.1.0", "manifest": "/v1/packs/first-pack/versions/1.1.0/manifest"}, "wanted": 1, "payload": {"versionId": "01a1f926-3d90-71ff-81ab-491973847b0d"}, "problem": null, "subject": "01a1f926-3d90-71ff-81ab-491973847b0d", "attempts": 1, "owner_id": "01a1f926-3b35-728e-b34b-a2fb4b0d3c6e", "progress": 1, "broken_off": 0, "created_at": "2026-11-20T13:29:55.362897+00:00", "updated_at": "2026-11-20T13:29:55.381848+00:00"}]$rows$);

insert into migration select * from jsonb_populate_recordset(null::migration, $rows$[{"name": "0001_start.sql", "digest": "2612f4740d9704bf0ad65c894f4f769acba71ca1557c73f9b0e3eb6f520b4a2a", "applied_at": "2026-11-20T13:29:52.74736+00:00"}, {"name": "0002_accounts.sql", "digest": "9bc151c6426a48780ed23fc275fa23db2a01b10992c7afb6a9f621d9f25a7364", "applied_at": "2026-11-20T13:29:52.867564+00:00"}]$rows$);

insert into pack.member select * from jsonb_populate_recordset(null::pack.member, $rows$[{"role": "publisher", "pack_id": "01a1f926-3bf6-728c-bab9-769af48058eb", "user_id": "01a1f926-3ba1-7200-a5a6-d643347297ca"}]$rows$);

insert into pack.pack select * from jsonb_populate_recordset(null::pack.pack, $rows$[{"id": "01a1f926-3bf6-728c-bab9-769af48058eb", "name": "first-pack", "slug": "first-pack", "tags": [], "links": {}, "licence": "", "loaders": ["fabric"], "summary": "", "owner_id": "01a1f926-3b35-728e-b34b-a2fb4b0d3c6e", "revision": 1, "minecraft": ["1.21.1"], "created_at": "2026-11-20T13:29:54.932378+00:00", "deleted_at": null, "updated_at": "2026-11-20T13:29:55.376852+00:00", "visibility": "public", "description": "", "icon_blob_id": null, "published_count": 2}]$rows$);

insert into pack.version select * from jsonb_populate_recordset(null::pack.version, $rows$[{"id": "01a1f926-3d90-71ff-81ab-491973847b0d", "state": "published", "number": 2, "channel": "release", "pack_id": "01a1f926-3bf6-728c-bab9-769af48058eb", "version": "1.1.0", "manifest": "\\x7b22666f726d617456657273696f6e223a312c227061636b223a7b22736c7567223a2266697273742d7061636b222c226e616d65223a2266697273742d7061636b227d2c2276657273696f6e223a22312e312e30222c226368616e6e656c223a2272656c65617365222c227075626c69736865644174223a22323032362d31312d32305431333a32393a35352e3337395a222c226d696e656372616674223a22312e32312e31222c226c6f61646572223a7b226e616d65223a22666162726963222c2276657273696f6e223a22302e31362e30227d2c2266696c6573223a5b7b2270617468223a226d6f64732f612e6a6172222c2273697a65223a31342c2264696765737473223a7b2273686131223a2261363163643631663830333537643539343761313937643664646432643662383936316330333133222c22736861323536223a2233333530396365316130396564626236313834356162336664356461316562373034363630666538623838306435313065336230646563303131613935343239222c22736861353132223a223233666263643465376137666161653035396437656432633763343339653039616436316134666466393234396364643633323237633764343463393732626235363837646565306338613363626561326534653361636435336634303864623962636530616561666664663036333739343934623664623836333861383636222c226d6435223a223937633866363962366239646433623331343061393865346630383035626336222c226d75726d757232223a333836303435313738397d2c2273696465223a22626f7468222c226f7074696f6e616c223a66616c73652c227072657365727665223a66616c73652c2275726c223a222f76312f626c6f62732f33333530396365316130396564626236313834356162336664356461316562373034363630666538623838306435313065336230646563303131613935343239227d5d7d", "revision": 3, "changelog": "", "minecraft": "1.21.1", "yanked_at": null, "created_at": "2026-11-20T13:29:55.34474+00:00", "created_by": "01a1f926-3b35-728e-b34b-a2fb4b0d3c6e", "expires_at": null, "updated_at": "2026-11-20T13:29:55.376852+00:00", "loader_name": "fabric", "published_at": "2026-11-20T13:29:55.379+00:00", "withdrawn_at": null, "content_digest": "e84e555657b39cbe4dcc075bbf32a24a3768641af7524bd137c832e19a187257", "loader_version": "0.16.0", "manifest_sha256": "11687be3373b343a8747e1417ddd52c873bf339ff0743f9f4dfa21c0afd18a91", "withdrawn_reason": null}, {"id": "01a1f926-3ca6-7475-bab0-c350f6e64063", "state": "published", "number": 1, "channel": "release", "pack_id": "01a1f926-3bf6-728c-bab9-769af48058eb", "version": "1.0.0", "manifest": "\\x7b22666f726d617456657273696f6e223a312c227061636b223a7b22736c7567223a2266697273742d7061636b222c226e616d65223a2266697273742d7061636b227d2c2276657273696f6e223a22312e302e30222c226368616e6e656c223a2272656c65617365222c227075626c69736865644174223a22323032362d31312d32305431333a32393a35352e3231335a222c226d696e656372616674223a22312e32312e31222c226c6f61646572223a7b226e616d65223a22666162726963222c2276657273696f6e223a22302e31362e30227d2c2266696c6573223a5b7b2270617468223a226d6f64732f612e6a6172222c2273697a65223a31342c2264696765737473223a7b2273686131223a2239323231656665356133333338623163373039333630373534353337613161336139326631343931222c22736861323536223a2262616637376461373533396464663238656364646439393139643639656135643263323737313666613231396665636634333436373066326632626265323862222c22736861353132223a226264653961626661336639346538393664386233383832386431303735643964316465303033613734666432653566633935303738653865343136333038386237306461663663346537663339323630626531316633376135356463336235336436346230656466656635313931383338336137373466343938663631353639222c226d6435223a223036613035653333613339656536656666353166323633353065326366663035222c226d75726d757232223a39353334303135377d2c2273696465223a22626f7468222c226f7074696f6e616c223a66616c73652c227072657365727665223a66616c73652c2275726c223a222f76312f626c6f62732f62616637376461373533396464663238656364646439393139643639656135643263323737313666613231396665636634333436373066326632626265323862227d5d7d", "revision": 4, "changelog": "", "minecraft": "1.21.1", "yanked_at": "2026-11-20T13:29:55.42338+00:00", "created_at": "2026-11-20T13:29:55.111125+00:00", "created_by": "01a1f926-3b35-728e-b34b-a2fb4b0d3c6e", "expires_at": null, "updated_at": "2026-11-20T13:29:55.206066+00:00", "loader_name": "fabric", "published_at": "2026-11-20T13:29:55.213+00:00", "withdrawn_at": null, "content_digest": "22f97c88519fc517af917147b63c3cddfe6e87be7f313695022e6cbe5ff48140", "loader_version": "0.16.0", "manifest_sha256": "9e078546860cffbaf19c2b4d898be3ea4765f5b76b1a142e487904cfa648c8e2", "withdrawn_reason": null}]$rows$);

insert into pack.version_file select * from jsonb_populate_recordset(null::pack.version_file, $rows$[{"url": null, "path": "mods/a.jar", "side": "both", "mirror": null, "sha256": "baf77da7539ddf28ecddd9919d69ea5d2c27716fa219fecf434670f2f2bbe28b", "blob_id": "01a1f926-3c6a-7678-a0b7-da7e0b1ca54f", "digests": null, "optional": false, "preserve": false, "size_bytes": 14, "version_id": "01a1f926-3ca6-7475-bab0-c350f6e64063", "mirror_reason": null}, {"url": null, "path": "mods/a.jar", "side": "both", "mirror": null, "sha256": "33509ce1a09edbb61845ab3fd5da1eb704660fe8b880d510e3b0dec011a95429", "blob_id": "01a1f926-3d76-76f8-b4a2-e0370d16c0e0", "digests": null, "optional": false, "preserve": false, "size_bytes": 14, "version_id": "01a1f926-3d90-71ff-81ab-491973847b0d", "mirror_reason": null}]$rows$);

set session_replication_role = origin;
