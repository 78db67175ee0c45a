-- expand
-- Stored bytes are read again from time to time; those that are missing or changed are served to nobody ---------------
alter table blob.blob
  add column verified_at timestamptz not null default now(), -- when its bytes were last read and found right
  add column broken text check (broken in ('missing', 'changed')),
  add column broken_at timestamptz,
  add constraint blob_broken check ((broken is null) = (broken_at is null));
create index blob_verified_at on blob.blob (verified_at);
create index blob_key_bytes on blob.blob (key collate "C");     -- in the order in which a storage lists its objects
create index blob_broken on blob.blob (id) where broken is not null;

-- As before, and: who works on a pack ("author") may be told of it.
create or replace function notification.may_tell(n notification.notification, u account."user") returns boolean language sql stable as $$
  select u.deleted_at is null and u.disabled_at is null and case n.reason
    when 'follow' then
      (n.pack_id is null or exists (select from pack.pack p where p.id = n.pack_id and pack.can_read(p, u.id, u.roles)))
      and (n.version_id is null or n.kind <> 'version.published' or exists (
        select from pack.version v where v.id = n.version_id and v.state = 'published' and v.yanked_at is null))
      and (n.event_id is null or exists (
        select from event.event e where e.id = n.event_id and e.state = 'published' and event.can_read(e, u.id, u.roles)))
    when 'author' then exists (
      select from pack.pack p where p.id = n.pack_id and p.deleted_at is null and pack.role_of(p, u.id, '{}') is not null)
    when 'registered' then exists (                 -- his own registration: of a cancelled event too, but of nobody who has gone
      select from event.registration r join event.event e on e.id = n.event_id where r.id = n.registration_id and r.user_id = u.id
        and (e.organization_id is not null or not exists (select from account."user" o where o.id = e.owner_id and o.deleted_at is not null)))
    when 'organizer' then exists (
      select from event.event e where e.id = n.event_id and e.deleted_at is null and event.role_of(e, u.id, u.roles) is not null)
    when 'manager' then organization.role_of(n.organization_id, u.id, u.roles) in ('owner', 'manager')
    when 'invited' then
      exists (select from organization.organization o where o.id = n.organization_id and o.deleted_at is null)
      and (exists (select from organization.invitation i where i.id = n.subject_id and i.user_id = u.id and i.outcome is distinct from 'revoked')
        or exists (select from organization.transfer t where t.id = n.subject_id and t.to_id = u.id and t.outcome is distinct from 'withdrawn'))
    when 'admin' then 'admin' = any (u.roles)
    when 'reporter' then exists (select from community.report r where r.id = n.subject_id and r.reporter_id = u.id)
    else n.reason in ('asked', 'self')              -- a test that he asked for; his own account
  end
$$;
