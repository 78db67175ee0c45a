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
