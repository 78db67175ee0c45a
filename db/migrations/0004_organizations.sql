-- expand
-- Organizations: teams that own packs, events and galleries together ------------------------------------------------------
create schema organization;

create table organization.organization (
  id uuid primary key,
  slug text not null unique,                        -- never reused: a deleted organization keeps its row
  name text not null,
  description jsonb not null default '{}',          -- {ru, en}: Markdown, either may be missing
  links jsonb not null default '{}',
  visibility text not null default 'public' check (visibility in ('private', 'unlisted', 'public')),  -- private: its members only
  revision integer not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  deleted_at timestamptz
);
create index organization_public on organization.organization (id desc) where deleted_at is null;

create table organization.member (
  organization_id uuid not null references organization.organization (id) on delete cascade,
  user_id uuid not null references account."user" (id) on delete cascade,
  role text not null check (role in ('owner', 'manager', 'member')),
  is_public boolean not null default false,         -- whether others see him on the page: he says so himself
  since timestamptz not null default now(),
  primary key (organization_id, user_id)
);
create index organization_member_user_id on organization.member (user_id);
create unique index member_owner on organization.member (organization_id) where role = 'owner';

-- An invitation to one person, or a link for whoever has it.
create table organization.invitation (
  id uuid primary key,
  organization_id uuid not null references organization.organization (id) on delete cascade,
  role text not null check (role in ('manager', 'member')),
  user_id uuid references account."user" (id) on delete cascade,      -- null: a link
  token_hash text unique,                           -- SHA-256 of a link's token
  created_by uuid references account."user" (id) on delete set null,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  uses integer not null default 0,
  max_uses integer not null default 1,
  settled_at timestamptz,                           -- accepted, declined, revoked or used up
  outcome text check (outcome in ('accepted', 'declined', 'revoked')),
  check ((user_id is null) <> (token_hash is null))
);
create index invitation_organization_id on organization.invitation (organization_id);
create index invitation_user_id on organization.invitation (user_id);
create index invitation_created_by on organization.invitation (created_by);
create index invitation_expires_at on organization.invitation (expires_at);

-- An offer of ownership: it passes when the other accepts.
create table organization.transfer (
  id uuid primary key,
  organization_id uuid not null references organization.organization (id) on delete cascade,
  from_id uuid not null references account."user" (id) on delete cascade,
  to_id uuid not null references account."user" (id) on delete cascade,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  settled_at timestamptz,
  outcome text check (outcome in ('accepted', 'declined', 'withdrawn'))
);
create index transfer_organization_id on organization.transfer (organization_id);
create index transfer_from_id on organization.transfer (from_id);
create index transfer_to_id on organization.transfer (to_id);
create unique index transfer_open on organization.transfer (organization_id) where settled_at is null;

-- What an organization owns, and what is open to its members ---------------------------------------------------------------
alter table pack.pack add column organization_id uuid references organization.organization (id);  -- its owner instead of owner_id
create index pack_organization_id on pack.pack (organization_id);

create table pack.reader_organization (
  pack_id uuid not null references pack.pack (id) on delete cascade,
  organization_id uuid not null references organization.organization (id) on delete cascade,
  primary key (pack_id, organization_id)
);
create index reader_organization_organization_id on pack.reader_organization (organization_id);

create table image.reader_organization (
  image_id uuid not null references image.image (id) on delete cascade,
  organization_id uuid not null references organization.organization (id) on delete cascade,
  primary key (image_id, organization_id)
);
create index image_reader_organization_id on image.reader_organization (organization_id);

alter table image.album add column organization_id uuid references organization.organization (id);
create index album_organization_id on image.album (organization_id);

-- A person's role in an organization; an admin is its owner everywhere. Of a deleted one nobody has any.
create function organization.role_of(organization uuid, caller uuid, caller_roles text[]) returns text language sql stable as $$
  select case
    when caller is null or organization is null then null
    when not exists (select from organization.organization o where o.id = organization and o.deleted_at is null) then null
    when 'admin' = any (caller_roles) then 'owner'
    else (select m.role from organization.member m where m.organization_id = organization and m.user_id = caller)
  end
$$;

create function organization.can_read(o organization.organization, caller uuid, caller_roles text[]) returns boolean language sql stable as $$
  select o.deleted_at is null and (o.visibility <> 'private' or organization.role_of(o.id, caller, caller_roles) is not null)
$$;

-- A pack of an organization belongs to its owner and managers; its members publish.
create or replace function pack.role_of(p pack.pack, caller uuid, caller_roles text[]) returns text language sql stable as $$
  select case
    when caller is null then null
    when 'admin' = any (caller_roles) or (p.organization_id is null and p.owner_id = caller) then 'owner'
    else coalesce(
      case organization.role_of(p.organization_id, caller, caller_roles) when 'owner' then 'owner' when 'manager' then 'owner' end,
      (select m.role from pack.member m where m.pack_id = p.id and m.user_id = caller),
      case organization.role_of(p.organization_id, caller, caller_roles) when 'member' then 'publisher' end)
  end
$$;

create or replace function pack.can_read(p pack.pack, caller uuid, caller_roles text[]) returns boolean language sql stable as $$
  select p.deleted_at is null
    and (p.organization_id is not null or not exists (select from account."user" u where u.id = p.owner_id and u.deleted_at is not null))
    and (p.visibility <> 'private'
      or pack.role_of(p, caller, caller_roles) is not null
      or exists (select from pack.reader_user r where r.pack_id = p.id and r.user_id = caller)
      or exists (select from pack.reader_role r where r.pack_id = p.id and r.role = any (caller_roles))
      or exists (select from pack.reader_organization r join organization.member m on m.organization_id = r.organization_id
        join organization.organization o on o.id = r.organization_id and o.deleted_at is null where r.pack_id = p.id and m.user_id = caller))
$$;

-- Following, and reports of abuse --------------------------------------------------------------------------------------------
create schema community;

create table community.follow (
  id uuid primary key,
  user_id uuid not null references account."user" (id) on delete cascade,
  pack_id uuid references pack.pack (id) on delete cascade,
  organization_id uuid references organization.organization (id) on delete cascade,
  organizer_id uuid references account."user" (id) on delete cascade,
  created_at timestamptz not null default now(),
  check (num_nonnulls(pack_id, organization_id, organizer_id) = 1),
  unique nulls not distinct (user_id, pack_id, organization_id, organizer_id)
);
create index follow_user_id on community.follow (user_id, id desc);
create index follow_pack_id on community.follow (pack_id);
create index follow_organization_id on community.follow (organization_id);
create index follow_organizer_id on community.follow (organizer_id);

create table community.report (
  id uuid primary key,
  reporter_id uuid references account."user" (id) on delete set null,
  subject_kind text not null check (subject_kind in ('pack', 'version', 'image', 'album', 'organization', 'event', 'user')),
  subject_id uuid not null,
  subject text not null,                            -- as its reporter named it
  reason text not null,                             -- a word of a list that the API keeps
  text text not null default '',
  state text not null default 'open' check (state in ('open', 'resolved', 'dismissed')),
  answer text not null default '',
  handled_by uuid references account."user" (id) on delete set null,
  created_at timestamptz not null default now(),
  settled_at timestamptz
);
create index report_state on community.report (state, id);
create unique index report_once on community.report (reporter_id, subject_kind, subject_id) where state = 'open';
create index report_reporter_id on community.report (reporter_id, id desc);
create index report_handled_by on community.report (handled_by);
create index report_subject on community.report (subject_kind, subject_id);
