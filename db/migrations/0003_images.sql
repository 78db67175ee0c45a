-- expand
-- Images: what people upload, what is made of it to be shown, and who may see it -----------------------------------------
create schema image;

-- A set of images in the order of their ranks.
create table image.album (
  id uuid primary key,
  owner_id uuid not null references account."user" (id) on delete cascade,
  pack_id uuid references pack.pack (id) on delete cascade,  -- whose gallery it is; null: its owner's own
  title text not null,
  description text not null default '',
  visibility text not null default 'private' check (visibility in ('private', 'page', 'unlisted', 'public')),  -- page: who may see the pack
  revision integer not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create index album_owner_id on image.album (owner_id, id desc);
create index album_pack_id on image.album (pack_id);

create table image.image (
  id uuid primary key,
  owner_id uuid not null references account."user" (id) on delete cascade,
  kind text not null default 'picture' check (kind in ('picture', 'avatar')),
  album_id uuid references image.album (id) on delete set null,
  state text not null default 'waiting' check (state in ('waiting', 'processing', 'ready', 'rejected')),
  reason text,                                      -- why it was rejected
  name text not null,                               -- of the file, as it was given
  caption text not null default '',
  alt text not null default '',
  visibility text not null default 'private' check (visibility in ('private', 'album', 'unlisted', 'public')),
  rank text not null collate "C",                   -- order among its owner's images: a key between two others
  sha256 text not null,                             -- of the bytes that were sent, as announced until they are verified
  size_bytes bigint not null,
  source_blob_id uuid references blob.blob (id) on delete restrict,  -- the bytes that were sent: no address shows them
  width integer,                                    -- upright, in pixels
  height integer,
  animated boolean not null default false,
  placeholder text,                                 -- a few dozen bytes to show meanwhile: a data: URL
  focus_x real not null default 0.5,                -- of an avatar: what the crop keeps in sight, 0 to 1
  focus_y real not null default 0.5,
  tries integer not null default 0,                 -- decodings begun: one that kills its decoder is not begun for ever
  renderer integer not null default 0,              -- version of the renderer that made the variants; 0: to be made (again)
  rendered_at timestamptz,
  render_until timestamptz not null default now(),  -- whoever has begun to make them again is given until then
  revision integer not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  expires_at timestamptz not null                   -- of waiting for bytes
);
create index image_owner_rank on image.image (owner_id, rank, id);
create index image_album_rank on image.image (album_id, rank, id);
create index image_source_blob_id on image.image (source_blob_id);
create index image_sha256 on image.image (sha256);
create index image_unsettled on image.image (expires_at) where state <> 'ready';
create index image_renderer on image.image (renderer, id) where state = 'ready';
create index image_source_kept on image.image (created_at) where state = 'ready' and source_blob_id is not null;
create unique index image_avatar on image.image (owner_id, (state = 'ready')) where kind = 'avatar';  -- one that is shown, and one that is to replace it

create table image.variant (
  image_id uuid not null references image.image (id) on delete cascade,
  name text not null,                               -- thumb, preview, large, original; of an avatar 64, 128, 256, 512
  format text not null check (format in ('webp', 'avif')),
  blob_id uuid not null references blob.blob (id) on delete restrict,
  width integer not null,
  height integer not null,
  primary key (image_id, name, format)
);
create index variant_blob_id on image.variant (blob_id);

create table image.reader_user (
  image_id uuid not null references image.image (id) on delete cascade,
  user_id uuid not null references account."user" (id) on delete cascade,
  primary key (image_id, user_id)
);
create index image_reader_user_user_id on image.reader_user (user_id);

create table image.reader_role (
  image_id uuid not null references image.image (id) on delete cascade,
  role text not null,
  primary key (image_id, role)
);

-- Links that show one album to whoever has them.
create table image.share (
  id uuid primary key,
  album_id uuid not null references image.album (id) on delete cascade,
  token_hash text not null unique,                  -- SHA-256: the token itself is 256 random bits
  password_hash text,                               -- PHC string, argon2id
  created_at timestamptz not null default now(),
  expires_at timestamptz,
  revoked_at timestamptz,
  used_at timestamptz,
  uses integer not null default 0
);
create index share_album_id on image.share (album_id);

-- An album packed for one who may see these images of it. Whoever may not see one of them all does not get it.
create table image.archive (
  id uuid primary key,
  album_id uuid not null references image.album (id) on delete cascade,
  digest text not null,                             -- of the list of images and their bytes
  images integer not null,                          -- how many are in it: one that was deleted since is missed
  blob_id uuid references blob.blob (id) on delete restrict,
  created_at timestamptz not null default now(),
  unique (album_id, digest)
);
create index image_archive_blob_id on image.archive (blob_id);
create index image_archive_created_at on image.archive (created_at);

create table image.archive_image (
  archive_id uuid not null references image.archive (id) on delete cascade,
  image_id uuid not null references image.image (id) on delete cascade,
  position integer not null,
  primary key (archive_id, image_id)
);
create index archive_image_image_id on image.archive_image (image_id);

-- What each user has stored: the guarded counter behind the quota.
create table image.quota (
  user_id uuid primary key references account."user" (id) on delete cascade,
  images integer not null default 0 check (images >= 0),
  size_bytes bigint not null default 0 check (size_bytes >= 0)
);

-- What somebody is to an album: 'editor' (changes it, makes links to it, puts images of his own in), 'member' of the page
-- whose gallery it is, 'reader', or null: for him there is none. A gallery belongs to its page, whoever made it.
create function image.role_of(a image.album, caller uuid, caller_roles text[]) returns text language sql stable as $$
  select case
    when a.pack_id is not null then (
      select case when pack.role_of(p, caller, caller_roles) in ('owner', 'maintainer') then 'editor'
          when pack.role_of(p, caller, caller_roles) is not null then 'member' else 'reader' end
        from pack.pack p where p.id = a.pack_id and pack.can_read(p, caller, caller_roles))
    when exists (select from account."user" u where u.id = a.owner_id and u.deleted_at is not null) then null
    when a.owner_id = caller or 'admin' = any (caller_roles) then 'editor'
    else 'reader'
  end
$$;

-- Who may see an album: whom its visibility names, and whoever has opened a share link of it that is still good, as long as
-- neither its owner nor its page is hidden. Without a page, `page` means `private`.
create function image.can_view_album(a image.album, caller uuid, caller_roles text[], share uuid) returns boolean language sql stable as $$
  select case image.role_of(a, caller, caller_roles)
      when 'editor' then true
      when 'member' then true
      when 'reader' then a.visibility in ('unlisted', 'public') or (a.visibility = 'page' and a.pack_id is not null)
      else false
    end
    or (exists (select from image.share s where s.id = share and s.album_id = a.id and s.revoked_at is null and (s.expires_at is null or s.expires_at > now()))
      and image.role_of(a, a.owner_id, '{admin}') is not null)
$$;

-- Who may change an album, make links to it, and put images of his own into it.
create function image.can_edit_album(a image.album, caller uuid, caller_roles text[]) returns boolean language sql stable as $$
  select coalesce(image.role_of(a, caller, caller_roles) = 'editor', false)
$$;

-- The one answer to who may see an image, for its page, its metadata, every variant and every archive that holds it.
create function image.can_view(i image.image, caller uuid, caller_roles text[], share uuid) returns boolean language sql stable as $$
  select not exists (select from account."user" u where u.id = i.owner_id and u.deleted_at is not null)
    and not exists (select from blob.blocked x where x.sha256 = i.sha256)
    and (
      i.owner_id = caller or 'admin' = any (caller_roles)
      or (i.state = 'ready' and (
        i.visibility in ('unlisted', 'public')
        or exists (select from image.reader_user r where r.image_id = i.id and r.user_id = caller)
        or exists (select from image.reader_role r where r.image_id = i.id and r.role = any (caller_roles))
        or (i.visibility = 'album' and exists (select from image.album a where a.id = i.album_id and image.can_view_album(a, caller, caller_roles, share))))))
$$;
