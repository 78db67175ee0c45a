-- expand
-- What launchers ask for of a pack and of its versions -----------------------------------------------------------
alter table pack.pack
  add column java text,
  add column memory_mb integer check (memory_mb between 256 and 262144),
  add column server_address text,
  add column logo_blob_id uuid references blob.blob (id) on delete restrict,
  add column background_blob_id uuid references blob.blob (id) on delete restrict;
create index pack_logo_blob_id on pack.pack (logo_blob_id);
create index pack_background_blob_id on pack.pack (background_blob_id);

alter table pack.version
  add column java text,
  add column memory_mb integer check (memory_mb between 256 and 262144),
  add column server_address text,
  add column groups jsonb,                          -- of optional files; null: none
  add column publish_at timestamptz,                -- a draft that is to be published by itself
  add column publish_by uuid references account."user" (id) on delete set null;
create index version_publish_at on pack.version (publish_at) where publish_at is not null and state = 'draft';
create index version_publish_by on pack.version (publish_by);

alter table pack.version_file add column group_id text; -- of the version's groups

-- Share links: whoever has one may read one pack, or one channel of it ---------------------------------------------
create table pack.link (
  id uuid primary key,
  pack_id uuid not null references pack.pack (id) on delete cascade,
  token_hash text not null unique,                  -- SHA-256 of the token, hex
  name text not null default '',
  channel text check (channel in ('release', 'beta', 'alpha')), -- null: all
  created_by uuid references account."user" (id) on delete set null,
  created_at timestamptz not null default now(),
  expires_at timestamptz,
  revoked_at timestamptz,
  used_at timestamptz,
  uses bigint not null default 0
);
create index link_pack_id on pack.link (pack_id, id desc);
create index link_created_by on pack.link (created_by);

-- As before, with the logo and the background.
create or replace function pack.blob_access(blob uuid, caller uuid, caller_roles text[]) returns text language sql stable as $$
  select case
    when not (
      exists (
        select from pack.version_file f join pack.version v on v.id = f.version_id join pack.pack p on p.id = v.pack_id
        where f.blob_id = blob and pack.can_read(p, caller, caller_roles)
          and (v.state = 'published' or (v.state in ('draft', 'publishing') and pack.role_of(p, caller, caller_roles) is not null)))
      or exists (
        select from pack.archive a join pack.version v on v.id = a.version_id join pack.pack p on p.id = v.pack_id
        where a.blob_id = blob and v.state = 'published' and pack.can_read(p, caller, caller_roles))
      or exists (select from pack.pack p where (p.icon_blob_id = blob or p.logo_blob_id = blob or p.background_blob_id = blob)
        and pack.can_read(p, caller, caller_roles))) then null
    when exists (
        select from pack.version_file f join pack.version v on v.id = f.version_id join pack.pack p on p.id = v.pack_id
        where f.blob_id = blob and v.state = 'published' and p.visibility = 'public' and p.deleted_at is null)
      or exists (select from pack.pack p where (p.icon_blob_id = blob or p.logo_blob_id = blob or p.background_blob_id = blob)
        and p.visibility = 'public' and p.deleted_at is null) then 'public'
    else 'private'
  end
$$;
