-- expand
-- Who did what by virtue of his office. Lines are added and never changed: what is kept names people by their ids, no addresses.
create schema audit;

create table audit.act (
  id uuid primary key,                              -- version 7: in the order of time
  at timestamptz not null default now(),
  actor_id uuid references account."user" (id),     -- null: somebody on the command line
  via text not null check (via in ('api', 'board', 'cli')),
  operator text,                                    -- on the command line: his account on that machine
  action text not null,
  subject text not null default '',
  detail jsonb not null default '{}',
  trace text,                                       -- of the request, as it is in the logs
  check ((via = 'cli') = (actor_id is null)),
  check ((via = 'cli') = (operator is not null))
);
create index act_actor_id on audit.act (actor_id, id desc);
create index act_action on audit.act (action, id desc);
create index act_subject on audit.act (subject, id desc);
create index act_at on audit.act (at);

create function audit.refuse_change() returns trigger language plpgsql as $$
begin
  raise exception 'audit.act is only added to' using errcode = 'insufficient_privilege';
end $$;
create trigger act_append_only before update or delete or truncate on audit.act
  for each statement execute function audit.refuse_change();

-- Failed jobs, for whoever sends them again.
create index job_failed on job.job (id desc) where state = 'failed';
