-- expand
-- Webhooks of a pack: told of what happens to it, whoever does it ----------------------------------------------------
alter table notification.webhook
  add column pack_id uuid references pack.pack (id) on delete cascade,
  drop constraint webhook_check,                    -- one of two: now of three
  add constraint webhook_owner check (num_nonnulls(user_id, organization_id, pack_id) = 1);
create index webhook_pack_id on notification.webhook (pack_id);
