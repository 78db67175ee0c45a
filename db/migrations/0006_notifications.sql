-- expand
-- Notifications: who is told what and why, by which medium, and whether it arrived ------------------------------------------
create schema notification;

create table notification.notification (
  id uuid primary key,
  fact_id uuid not null,                            -- facts are forgotten before this is
  fact_at timestamptz not null,                     -- facts are told in no order
  user_id uuid references account."user" (id) on delete cascade,       -- null: told to an organization, by its webhooks
  kind text not null,
  reason text not null,                             -- why this person: see notification.may_tell
  group_key text not null,                          -- a newer one of the same group takes the place of one that waits
  critical boolean not null,                        -- neither muted nor switched off nor put off
  pack_id uuid,                                     -- ids only: words are looked up when it is shown or sent
  version_id uuid,
  event_id uuid,
  occurrence_id uuid,
  registration_id uuid,
  organization_id uuid,
  subject_id uuid,                                  -- an invitation, a transfer, a report, or who joined
  fields text[] not null default '{}',              -- names of what was changed
  shown boolean not null,                           -- in the inbox
  read_at timestamptz,
  created_at timestamptz not null default now(),
  unique nulls not distinct (fact_id, user_id, kind)
);
create index notification_user_id on notification.notification (user_id, id desc);
create index notification_group on notification.notification (user_id, group_key);
create index notification_unread on notification.notification (user_id, id desc) where shown and read_at is null;
create index notification_created_at on notification.notification (created_at);

-- One for each medium and target of a notification: the log, and what is still to be sent.
create table notification.delivery (
  id uuid primary key,                              -- Message-ID and webhook-id, so that a second one is seen as one
  notification_id uuid not null references notification.notification (id) on delete cascade,
  user_id uuid references account."user" (id) on delete cascade,
  medium text not null check (medium in ('inbox', 'mail', 'webhook', 'discord', 'telegram', 'push')),
  target_id uuid,                                   -- a webhook or a push subscription
  group_key text not null,
  state text not null check (state in ('queued', 'sent', 'failed', 'skipped')),
  why text,                                         -- it was skipped, or failed
  due_at timestamptz not null default now(),
  digest boolean not null default false,            -- goes with the person's next digest
  claimed_until timestamptz,                        -- one run at a time sends it
  attempts integer not null default 0,
  status integer,                                   -- of the last answer
  created_at timestamptz not null default now(),
  settled_at timestamptz,
  unique nulls not distinct (notification_id, medium, target_id)
);
create index delivery_due on notification.delivery (medium, due_at) where state = 'queued' and not digest;
create index delivery_waiting on notification.delivery (user_id, group_key) where state = 'queued';
create index delivery_user_id on notification.delivery (user_id, id desc);
create index delivery_target on notification.delivery (target_id, id desc) where target_id is not null;

create table notification.preference (
  user_id uuid not null references account."user" (id) on delete cascade,
  kind text not null,
  medium text not null check (medium in ('inbox', 'mail', 'telegram', 'push')),
  enabled boolean not null,
  primary key (user_id, kind, medium)
);

create table notification.settings (
  user_id uuid primary key references account."user" (id) on delete cascade,
  quiet_from text check (quiet_from ~ '^\d\d:\d\d$'),                  -- of the clock in the person's zone
  quiet_to text check (quiet_to ~ '^\d\d:\d\d$'),
  digest text not null default 'off' check (digest in ('off', 'daily', 'weekly')),
  digest_due_at timestamptz,                        -- when something waits for it
  digest_claimed_until timestamptz,
  check ((quiet_from is null) = (quiet_to is null))
);
create index settings_digest_due_at on notification.settings (digest_due_at) where digest_due_at is not null;

create table notification.mute (
  user_id uuid not null references account."user" (id) on delete cascade,
  event_id uuid not null references event.event (id) on delete cascade,
  created_at timestamptz not null default now(),
  primary key (user_id, event_id)
);
create index mute_event_id on notification.mute (event_id);

create table notification.webhook (
  id uuid primary key,
  user_id uuid references account."user" (id) on delete cascade,
  organization_id uuid references organization.organization (id) on delete cascade,
  name text not null,
  address text not null,                            -- sealed: that of Discord is a secret
  secret text,                                      -- sealed; Discord signs nothing
  format text not null check (format in ('standard', 'discord')),
  locale text not null check (locale in ('ru', 'en')),
  kinds text[] not null,
  revision integer not null default 1,
  failing_since timestamptz,
  disabled_at timestamptz,
  disabled_reason text check (disabled_reason in ('gone', 'failing', 'by-hand')),
  created_at timestamptz not null default now(),
  check (num_nonnulls(user_id, organization_id) = 1)
);
create index webhook_user_id on notification.webhook (user_id);
create index webhook_organization_id on notification.webhook (organization_id);

create table notification.push_subscription (
  id uuid primary key,
  user_id uuid not null references account."user" (id) on delete cascade,
  address_hash text not null,                       -- SHA-256: the same browser again
  sealed text not null,                             -- address and keys
  device text not null,
  created_at timestamptz not null default now(),
  unique (user_id, address_hash)
);

create table notification.telegram_chat (
  user_id uuid primary key references account."user" (id) on delete cascade,
  chat_id bigint,
  code_hash text unique,                            -- of the word that the person says to the bot
  code_expires_at timestamptz,
  linked_at timestamptz
);
create index telegram_chat_chat_id on notification.telegram_chat (chat_id);

-- What the bot was told and we have read.
create table notification.telegram_feed (
  id boolean primary key default true check (id),
  next_update bigint not null default 0,
  claimed_until timestamptz
);

-- Whether a person may be told this, now: asked when it is decided, when it is shown, and when it is sent.
create function notification.may_tell(n notification.notification, u account."user") returns boolean language sql stable as $$
  select u.deleted_at is null and u.disabled_at is null and case n.reason
    when 'follow' then
      (n.pack_id is null or exists (select from pack.pack p where p.id = n.pack_id and pack.can_read(p, u.id, u.roles)))
      and (n.version_id is null or n.kind <> 'version.published' or exists (
        select from pack.version v where v.id = n.version_id and v.state = 'published' and v.yanked_at is null))
      and (n.event_id is null or exists (
        select from event.event e where e.id = n.event_id and e.state = 'published' and event.can_read(e, u.id, u.roles)))
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

-- The same of an organization's webhooks: what is its own.
create function notification.may_tell_organization(n notification.notification, organization uuid) returns boolean language sql stable as $$
  select exists (select from organization.organization o where o.id = organization and o.deleted_at is null)
    and (n.pack_id is null or exists (select from pack.pack p where p.id = n.pack_id and p.organization_id = organization and p.deleted_at is null))
    and (n.event_id is null or exists (select from event.event e where e.id = n.event_id and e.organization_id = organization))
$$;
