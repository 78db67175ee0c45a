-- expand
-- Look-ups in the words of Modrinth's API ------------------------------------------------------------------------------
-- Its ids have 8 characters of base62: the last 47 bits of ours, which are random.
create function pack.short_id(id uuid) returns bigint language sql immutable strict parallel safe as $$
  select ('x' || right(id::text, 12))::bit(48)::bigint & 140737488355327
$$;
create index pack_short_id on pack.pack (pack.short_id(id));
create index version_short_id on pack.version (pack.short_id(id));

create index blob_sha1 on blob.blob (sha1);
create index blob_sha512 on blob.blob (sha512);
create index version_file_reference_sha1 on pack.version_file ((digests ->> 'sha1')) where blob_id is null;
create index version_file_reference_sha512 on pack.version_file ((digests ->> 'sha512')) where blob_id is null;
