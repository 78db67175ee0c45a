-- expand
-- What a job, a fact or a delivery belongs to: the request that wished for it, and all that followed.
alter table job.job add column trace_id text;
alter table outbox.fact add column trace_id text;
alter table notification.delivery add column trace_id text;

-- Since when somebody waits for it: updated_at moves with every try.
alter table job.job add column wanted_at timestamptz not null default now();

create schema log;

-- Lines of all processes on their way to files, where there is no Redis. Capped by whoever writes; a crash of the server may take them.
create unlogged table log.batch (
  -- A UUIDv7: batches stand in the order in which they came.
  id uuid primary key,
  lines text not null
);

-- How long runs of jobs took, summed over all pods since the installation.
create table log.run (
  actor text not null,
  outcome text not null check (outcome in ('completed', 'postponed', 'failed')),
  runs bigint not null,
  seconds double precision not null,
  -- Runs that took no longer than each bound.
  buckets bigint[] not null,
  primary key (actor, outcome)
);
