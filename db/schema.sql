-- What the migrations make of an empty database, for reading. Made by `bun run schema`.

create table account.access_token (
  id uuid not null,
  user_id uuid not null,
  name text not null,
  token_hash text not null,
  scopes text[] not null,
  created_at timestamp with time zone not null default now(),
  expires_at timestamp with time zone not null,
  used_at timestamp with time zone,
  revoked_at timestamp with time zone,
  constraint access_token_pkey PRIMARY KEY (id),
  constraint access_token_token_hash_key UNIQUE (token_hash),
  constraint access_token_user_id_fkey FOREIGN KEY (user_id) REFERENCES account."user"(id) ON DELETE CASCADE
);
CREATE INDEX access_token_user_id ON account.access_token USING btree (user_id);

create table account.activity (
  id uuid not null,
  user_id uuid not null,
  kind text not null,
  subject text not null default ''::text,
  created_at timestamp with time zone not null default now(),
  constraint activity_pkey PRIMARY KEY (id),
  constraint activity_user_id_fkey FOREIGN KEY (user_id) REFERENCES account."user"(id) ON DELETE CASCADE
);
CREATE INDEX activity_created_at ON account.activity USING btree (created_at);
CREATE INDEX activity_user_id ON account.activity USING btree (user_id, id DESC);

create table account.app_password (
  id uuid not null,
  user_id uuid not null,
  name text not null,
  hash text not null,
  created_at timestamp with time zone not null default now(),
  used_at timestamp with time zone,
  expires_at timestamp with time zone,
  constraint app_password_pkey PRIMARY KEY (id),
  constraint app_password_hash_key UNIQUE (hash),
  constraint app_password_user_id_fkey FOREIGN KEY (user_id) REFERENCES account."user"(id) ON DELETE CASCADE
);
CREATE INDEX app_password_user_id ON account.app_password USING btree (user_id, id DESC);

create table account.authorization_code (
  code_hash text not null,
  client_id text not null,
  redirect_uri text not null,
  challenge text not null,
  nonce text,
  scopes text[] not null,
  user_id uuid not null,
  player_id uuid,
  authenticated_at timestamp with time zone not null,
  created_at timestamp with time zone not null default now(),
  expires_at timestamp with time zone not null,
  used_at timestamp with time zone,
  session_id uuid,
  constraint authorization_code_pkey PRIMARY KEY (code_hash),
  constraint authorization_code_player_id_fkey FOREIGN KEY (player_id) REFERENCES player.player(id) ON DELETE CASCADE,
  constraint authorization_code_session_id_fkey FOREIGN KEY (session_id) REFERENCES account.session(id) ON DELETE CASCADE,
  constraint authorization_code_user_id_fkey FOREIGN KEY (user_id) REFERENCES account."user"(id) ON DELETE CASCADE
);
CREATE INDEX authorization_code_expires_at ON account.authorization_code USING btree (expires_at);
CREATE INDEX authorization_code_player_id ON account.authorization_code USING btree (player_id);
CREATE INDEX authorization_code_session_id ON account.authorization_code USING btree (session_id);
CREATE INDEX authorization_code_user_id ON account.authorization_code USING btree (user_id);

create table account.device_grant (
  id uuid not null,
  device_hash text not null,
  user_code_hash text not null,
  client_id text not null,
  scopes text[] not null,
  device text not null default ''::text,
  address text not null default ''::text,
  state text not null default 'pending'::text,
  user_id uuid,
  confirm_hash text,
  password_changes integer,
  interval_seconds integer not null default 5,
  polled_at timestamp with time zone,
  hasty boolean not null default false,
  created_at timestamp with time zone not null default now(),
  expires_at timestamp with time zone not null,
  player_id uuid,
  constraint device_grant_pkey PRIMARY KEY (id),
  constraint device_grant_device_hash_key UNIQUE (device_hash),
  constraint device_grant_user_code_hash_key UNIQUE (user_code_hash),
  constraint device_grant_player_id_fkey FOREIGN KEY (player_id) REFERENCES player.player(id) ON DELETE SET NULL,
  constraint device_grant_user_id_fkey FOREIGN KEY (user_id) REFERENCES account."user"(id) ON DELETE CASCADE,
  constraint device_grant_state_check CHECK ((state = ANY (ARRAY['pending'::text, 'approved'::text, 'denied'::text, 'used'::text])))
);
CREATE INDEX device_grant_expires_at ON account.device_grant USING btree (expires_at);
CREATE INDEX device_grant_player_id ON account.device_grant USING btree (player_id);
CREATE INDEX device_grant_user_id ON account.device_grant USING btree (user_id);

create table account.id_token_key (
  number integer not null,
  kid text not null,
  public_key jsonb not null,
  sealed text not null,
  created_at timestamp with time zone not null default now(),
  constraint id_token_key_pkey PRIMARY KEY (number),
  constraint id_token_key_kid_key UNIQUE (kid)
);

create table account.identity (
  provider text not null,
  subject text not null,
  user_id uuid not null,
  email text,
  created_at timestamp with time zone not null default now(),
  constraint identity_pkey PRIMARY KEY (provider, subject),
  constraint identity_user_id_provider_key UNIQUE (user_id, provider),
  constraint identity_user_id_fkey FOREIGN KEY (user_id) REFERENCES account."user"(id) ON DELETE CASCADE
);

create table account.invite (
  id uuid not null,
  code_hash text not null,
  note text not null default ''::text,
  created_by uuid,
  created_at timestamp with time zone not null default now(),
  expires_at timestamp with time zone not null,
  used_at timestamp with time zone,
  used_by uuid,
  constraint invite_pkey PRIMARY KEY (id),
  constraint invite_code_hash_key UNIQUE (code_hash),
  constraint invite_created_by_fkey FOREIGN KEY (created_by) REFERENCES account."user"(id) ON DELETE SET NULL,
  constraint invite_used_by_fkey FOREIGN KEY (used_by) REFERENCES account."user"(id) ON DELETE SET NULL
);
CREATE INDEX invite_created_by ON account.invite USING btree (created_by);
CREATE INDEX invite_used_by ON account.invite USING btree (used_by);

create table account.mail_link (
  id uuid not null,
  token_hash text not null,
  user_id uuid not null,
  purpose text not null,
  email text not null,
  created_at timestamp with time zone not null default now(),
  expires_at timestamp with time zone not null,
  used_at timestamp with time zone,
  constraint mail_link_pkey PRIMARY KEY (id),
  constraint mail_link_token_hash_key UNIQUE (token_hash),
  constraint mail_link_user_id_fkey FOREIGN KEY (user_id) REFERENCES account."user"(id) ON DELETE CASCADE,
  constraint mail_link_purpose_check CHECK ((purpose = ANY (ARRAY['verify'::text, 'reset'::text])))
);
CREATE INDEX mail_link_expires_at ON account.mail_link USING btree (expires_at);
CREATE INDEX mail_link_user_id ON account.mail_link USING btree (user_id);

create table account.provider_flow (
  state_hash text not null,
  provider text not null,
  purpose text not null,
  binding_hash text not null,
  user_id uuid,
  session_id uuid,
  return_to text not null default '/'::text,
  created_at timestamp with time zone not null default now(),
  expires_at timestamp with time zone not null,
  constraint provider_flow_pkey PRIMARY KEY (state_hash),
  constraint provider_flow_session_id_fkey FOREIGN KEY (session_id) REFERENCES account.session(id) ON DELETE CASCADE,
  constraint provider_flow_user_id_fkey FOREIGN KEY (user_id) REFERENCES account."user"(id) ON DELETE CASCADE,
  constraint provider_flow_purpose_check CHECK ((purpose = ANY (ARRAY['sign-in'::text, 'link'::text, 'second-factor'::text])))
);
CREATE INDEX provider_flow_expires_at ON account.provider_flow USING btree (expires_at);
CREATE INDEX provider_flow_session_id ON account.provider_flow USING btree (session_id);
CREATE INDEX provider_flow_user_id ON account.provider_flow USING btree (user_id);

create table account.recovery_code (
  user_id uuid not null,
  code_hash text not null,
  used_at timestamp with time zone,
  constraint recovery_code_pkey PRIMARY KEY (user_id, code_hash),
  constraint recovery_code_user_id_fkey FOREIGN KEY (user_id) REFERENCES account."user"(id) ON DELETE CASCADE
);

create table account.revocation (
  id uuid not null,
  kind text not null,
  subject uuid not null,
  ver integer,
  revoked_at timestamp with time zone not null default clock_timestamp(),
  revoked_xid xid8 not null default pg_current_xact_id(),
  constraint revocation_pkey PRIMARY KEY (id),
  constraint revocation_kind_check CHECK ((kind = ANY (ARRAY['session'::text, 'user'::text, 'token'::text])))
);
CREATE INDEX revocation_revoked_at ON account.revocation USING btree (revoked_at);
CREATE INDEX revocation_revoked_xid ON account.revocation USING btree (revoked_xid);

create table account.session (
  id uuid not null,
  user_id uuid not null,
  kind text not null,
  salt text not null,
  counter integer not null default 0,
  advanced_at timestamp with time zone not null default now(),
  created_at timestamp with time zone not null default now(),
  expires_at timestamp with time zone not null,
  ended_at timestamp with time zone,
  device text not null default ''::text,
  address text not null default ''::text,
  client_id text,
  scopes text[],
  fresh_at timestamp with time zone not null default now(),
  used_at timestamp with time zone not null default now(),
  ended_reason text,
  authenticated_at timestamp with time zone,
  player_id uuid,
  constraint session_pkey PRIMARY KEY (id),
  constraint session_player_id_fkey FOREIGN KEY (player_id) REFERENCES player.player(id) ON DELETE SET NULL,
  constraint session_user_id_fkey FOREIGN KEY (user_id) REFERENCES account."user"(id) ON DELETE CASCADE,
  constraint session_kind_check CHECK ((kind = ANY (ARRAY['web'::text, 'launcher'::text, 'cli'::text, 'service'::text])))
);
CREATE INDEX session_ended_at ON account.session USING btree (ended_at);
CREATE INDEX session_expires_at ON account.session USING btree (expires_at);
CREATE INDEX session_player_id ON account.session USING btree (player_id);
CREATE INDEX session_user_id ON account.session USING btree (user_id);

create table account.solder_key (
  id uuid not null,
  user_id uuid not null,
  name text not null,
  key_hash text not null,
  created_at timestamp with time zone not null default now(),
  used_at timestamp with time zone,
  constraint solder_key_pkey PRIMARY KEY (id),
  constraint solder_key_key_hash_key UNIQUE (key_hash),
  constraint solder_key_user_id_fkey FOREIGN KEY (user_id) REFERENCES account."user"(id) ON DELETE CASCADE
);
CREATE INDEX solder_key_user_id ON account.solder_key USING btree (user_id, id DESC);

create table account."user" (
  id uuid not null,
  login text not null,
  email text,
  password_hash text,
  roles text[] not null default '{}'::text[],
  created_at timestamp with time zone not null default now(),
  disabled_at timestamp with time zone,
  email_verified_at timestamp with time zone,
  display_name text not null default ''::text,
  bio text not null default ''::text,
  locale text not null default 'en'::text,
  time_zone text not null default 'UTC'::text,
  links jsonb not null default '{}'::jsonb,
  preferences jsonb not null default '{}'::jsonb,
  revision integer not null default 1,
  password_changes integer not null default 0,
  ver integer not null default 0,
  totp_secret text,
  totp_confirmed_at timestamp with time zone,
  totp_last_step bigint,
  totp_tries integer not null default 0,
  totp_tries_since timestamp with time zone not null default now(),
  deleted_at timestamp with time zone,
  erase_after timestamp with time zone,
  constraint user_pkey PRIMARY KEY (id),
  constraint user_login_key UNIQUE (login)
);
CREATE INDEX user_admin ON account."user" USING btree (id) WHERE ('admin'::text = ANY (roles));
CREATE UNIQUE INDEX user_email_verified ON account."user" USING btree (email) WHERE (email_verified_at IS NOT NULL);
CREATE INDEX user_erase_after ON account."user" USING btree (erase_after) WHERE (erase_after IS NOT NULL);
CREATE INDEX user_gone ON account."user" USING btree (id) WHERE (deleted_at IS NOT NULL);

create table analytics.daily (
  day date not null,
  kind text not null,
  subject_kind text not null,
  subject_id uuid not null,
  version text not null,
  format text not null,
  launcher text not null,
  channel text not null,
  source text not null,
  count bigint not null
);
CREATE INDEX daily_day ON analytics.daily USING btree (day, kind);
CREATE INDEX daily_subject_id ON analytics.daily USING btree (subject_id, kind, day);

create table analytics.dropped (
  day date not null,
  reason text not null,
  count bigint not null,
  constraint dropped_pkey PRIMARY KEY (day, reason)
);

create table analytics.event (
  hour timestamp with time zone not null,
  key bytea not null,
  at timestamp with time zone not null,
  kind text not null,
  subject_kind text not null,
  subject_id uuid not null,
  visitor bytea not null,
  version text not null,
  format text not null,
  launcher text not null,
  channel text not null,
  source text not null,
  xid xid8 not null default pg_current_xact_id(),
  constraint event_pkey PRIMARY KEY (hour, key)
);
CREATE INDEX event_xid ON ONLY analytics.event USING btree (xid);

create table analytics.hourly (
  hour timestamp with time zone not null,
  kind text not null,
  subject_kind text not null,
  subject_id uuid not null,
  version text not null,
  format text not null,
  launcher text not null,
  channel text not null,
  source text not null,
  count bigint not null
);
CREATE INDEX hourly_hour ON analytics.hourly USING btree (hour, kind);
CREATE INDEX hourly_subject_id ON analytics.hourly USING btree (subject_id, kind, hour);

create table analytics.progress (
  single boolean not null default true,
  as_of timestamp with time zone not null default now(),
  next_xid xid8 not null default '0'::xid8,
  derived_until timestamp with time zone not null default '-infinity'::timestamp with time zone,
  constraint progress_pkey PRIMARY KEY (single),
  constraint progress_single_check CHECK (single)
);

create table analytics.salt (
  day date not null,
  value bytea not null,
  constraint salt_pkey PRIMARY KEY (day)
);

create table analytics.schedule (
  user_id uuid not null,
  every text not null,
  report text not null,
  subject_kind text not null,
  subject_id uuid not null,
  sent_until timestamp with time zone not null,
  constraint schedule_pkey PRIMARY KEY (user_id, every, report, subject_id),
  constraint schedule_user_id_fkey FOREIGN KEY (user_id) REFERENCES account."user"(id) ON DELETE CASCADE,
  constraint schedule_every_check CHECK ((every = ANY (ARRAY['week'::text, 'month'::text])))
);
CREATE INDEX schedule_sent_until ON analytics.schedule USING btree (every, sent_until);

create table analytics.total (
  subject_id uuid not null,
  kind text not null,
  count bigint not null,
  constraint total_pkey PRIMARY KEY (subject_id, kind)
);

create table analytics.visitors (
  day date not null,
  kind text not null,
  subject_kind text not null,
  subject_id uuid not null,
  count bigint not null
);
CREATE INDEX visitors_day ON analytics.visitors USING btree (day, kind);
CREATE INDEX visitors_subject_id ON analytics.visitors USING btree (subject_id, kind, day);

create table api.idempotency (
  caller text not null,
  key text not null,
  route text not null,
  digest text not null,
  status integer,
  headers jsonb,
  body text,
  created_at timestamp with time zone not null default now(),
  constraint idempotency_pkey PRIMARY KEY (caller, key)
);
CREATE INDEX idempotency_created_at ON api.idempotency USING btree (created_at);

create table api.rate (
  key text not null,
  arrival_at timestamp with time zone not null,
  constraint rate_pkey PRIMARY KEY (key)
);
CREATE INDEX rate_arrival_at ON api.rate USING btree (arrival_at);

create table audit.act (
  id uuid not null,
  at timestamp with time zone not null default now(),
  actor_id uuid,
  via text not null,
  operator text,
  action text not null,
  subject text not null default ''::text,
  detail jsonb not null default '{}'::jsonb,
  trace text,
  constraint act_pkey PRIMARY KEY (id),
  constraint act_actor_id_fkey FOREIGN KEY (actor_id) REFERENCES account."user"(id),
  constraint act_check CHECK (((via = 'cli'::text) = (actor_id IS NULL))),
  constraint act_check1 CHECK (((via = 'cli'::text) = (operator IS NOT NULL))),
  constraint act_via_check CHECK ((via = ANY (ARRAY['api'::text, 'board'::text, 'cli'::text])))
);
CREATE INDEX act_action ON audit.act USING btree (action, id DESC);
CREATE INDEX act_actor_id ON audit.act USING btree (actor_id, id DESC);
CREATE INDEX act_at ON audit.act USING btree (at);
CREATE INDEX act_subject ON audit.act USING btree (subject, id DESC);

create table backup.made (
  id uuid not null,
  name text,
  place text not null,
  began_at timestamp with time zone not null default now(),
  ended_at timestamp with time zone,
  size_bytes bigint not null default 0,
  damaged integer not null default 0,
  problem text,
  constraint made_pkey PRIMARY KEY (id)
);
CREATE INDEX made_place ON backup.made USING btree (place, began_at);

create table backup.restore (
  id uuid not null,
  name text not null,
  made_at timestamp with time zone not null,
  restored_at timestamp with time zone not null default now(),
  constraint restore_pkey PRIMARY KEY (id)
);

create table blob.attempt (
  id uuid not null,
  key text not null,
  created_at timestamp with time zone not null default now(),
  constraint attempt_pkey PRIMARY KEY (id),
  constraint attempt_key_key UNIQUE (key)
);

create table blob.blob (
  id uuid not null,
  sha256 text not null,
  key text not null,
  size_bytes bigint not null,
  sha1 text not null,
  sha512 text not null,
  md5 text not null,
  murmur2 bigint,
  crc32 bigint not null,
  touched_at timestamp with time zone not null default now(),
  created_at timestamp with time zone not null default now(),
  verified_at timestamp with time zone not null default now(),
  broken text,
  broken_at timestamp with time zone,
  constraint blob_pkey PRIMARY KEY (id),
  constraint blob_key_key UNIQUE (key),
  constraint blob_sha256_key UNIQUE (sha256),
  constraint blob_broken CHECK (((broken IS NULL) = (broken_at IS NULL))),
  constraint blob_broken_check CHECK ((broken = ANY (ARRAY['missing'::text, 'changed'::text])))
);
CREATE INDEX blob_broken ON blob.blob USING btree (id) WHERE (broken IS NOT NULL);
CREATE INDEX blob_key_bytes ON blob.blob USING btree (key COLLATE "C");
CREATE INDEX blob_sha1 ON blob.blob USING btree (sha1);
CREATE INDEX blob_sha512 ON blob.blob USING btree (sha512);
CREATE INDEX blob_touched_at ON blob.blob USING btree (touched_at);
CREATE INDEX blob_verified_at ON blob.blob USING btree (verified_at);

create table blob.blocked (
  sha256 text not null,
  reason text not null,
  blocked_at timestamp with time zone not null default now(),
  constraint blocked_pkey PRIMARY KEY (sha256)
);

create table blob.doomed (
  key text not null,
  size_bytes bigint not null default 0,
  reason text not null,
  remove_after timestamp with time zone not null,
  constraint doomed_pkey PRIMARY KEY (key)
);
CREATE INDEX doomed_remove_after ON blob.doomed USING btree (remove_after);

create table blob.quota (
  user_id uuid not null,
  uploads integer not null default 0,
  size_bytes bigint not null default 0,
  constraint quota_pkey PRIMARY KEY (user_id),
  constraint quota_user_id_fkey FOREIGN KEY (user_id) REFERENCES account."user"(id) ON DELETE CASCADE,
  constraint quota_size_bytes_check CHECK ((size_bytes >= 0)),
  constraint quota_uploads_check CHECK ((uploads >= 0))
);

create table blob.upload (
  id uuid not null,
  owner_id uuid not null,
  sha256 text not null,
  size_bytes bigint not null,
  name text not null,
  state text not null default 'waiting'::text,
  reason text,
  parts_id text,
  part_bytes bigint,
  attempt_id uuid,
  blob_id uuid,
  created_at timestamp with time zone not null default now(),
  updated_at timestamp with time zone not null default now(),
  expires_at timestamp with time zone not null,
  constraint upload_pkey PRIMARY KEY (id),
  constraint upload_blob_id_fkey FOREIGN KEY (blob_id) REFERENCES blob.blob(id) ON DELETE RESTRICT,
  constraint upload_owner_id_fkey FOREIGN KEY (owner_id) REFERENCES account."user"(id) ON DELETE CASCADE,
  constraint upload_state_check CHECK ((state = ANY (ARRAY['waiting'::text, 'verifying'::text, 'verified'::text, 'rejected'::text])))
);
CREATE INDEX upload_attempt_id ON blob.upload USING btree (attempt_id) WHERE (attempt_id IS NOT NULL);
CREATE INDEX upload_blob_id ON blob.upload USING btree (blob_id);
CREATE INDEX upload_expires_at ON blob.upload USING btree (expires_at) WHERE (state <> 'verified'::text);
CREATE INDEX upload_owner_sha256 ON blob.upload USING btree (owner_id, sha256);
CREATE INDEX upload_parts_id ON blob.upload USING btree (parts_id) WHERE (parts_id IS NOT NULL);

create table community.follow (
  id uuid not null,
  user_id uuid not null,
  pack_id uuid,
  organization_id uuid,
  organizer_id uuid,
  created_at timestamp with time zone not null default now(),
  constraint follow_pkey PRIMARY KEY (id),
  constraint follow_user_id_pack_id_organization_id_organizer_id_key UNIQUE NULLS NOT DISTINCT (user_id, pack_id, organization_id, organizer_id),
  constraint follow_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES organization.organization(id) ON DELETE CASCADE,
  constraint follow_organizer_id_fkey FOREIGN KEY (organizer_id) REFERENCES account."user"(id) ON DELETE CASCADE,
  constraint follow_pack_id_fkey FOREIGN KEY (pack_id) REFERENCES pack.pack(id) ON DELETE CASCADE,
  constraint follow_user_id_fkey FOREIGN KEY (user_id) REFERENCES account."user"(id) ON DELETE CASCADE,
  constraint follow_check CHECK ((num_nonnulls(pack_id, organization_id, organizer_id) = 1))
);
CREATE INDEX follow_organization_id ON community.follow USING btree (organization_id);
CREATE INDEX follow_organizer_id ON community.follow USING btree (organizer_id);
CREATE INDEX follow_pack_id ON community.follow USING btree (pack_id);
CREATE INDEX follow_user_id ON community.follow USING btree (user_id, id DESC);

create table community.report (
  id uuid not null,
  reporter_id uuid,
  subject_kind text not null,
  subject_id uuid not null,
  subject text not null,
  reason text not null,
  text text not null default ''::text,
  state text not null default 'open'::text,
  answer text not null default ''::text,
  handled_by uuid,
  created_at timestamp with time zone not null default now(),
  settled_at timestamp with time zone,
  constraint report_pkey PRIMARY KEY (id),
  constraint report_handled_by_fkey FOREIGN KEY (handled_by) REFERENCES account."user"(id) ON DELETE SET NULL,
  constraint report_reporter_id_fkey FOREIGN KEY (reporter_id) REFERENCES account."user"(id) ON DELETE SET NULL,
  constraint report_state_check CHECK ((state = ANY (ARRAY['open'::text, 'resolved'::text, 'dismissed'::text]))),
  constraint report_subject_kind_check CHECK ((subject_kind = ANY (ARRAY['pack'::text, 'version'::text, 'image'::text, 'album'::text, 'organization'::text, 'event'::text, 'user'::text])))
);
CREATE INDEX report_handled_by ON community.report USING btree (handled_by);
CREATE UNIQUE INDEX report_once ON community.report USING btree (reporter_id, subject_kind, subject_id) WHERE (state = 'open'::text);
CREATE INDEX report_reporter_id ON community.report USING btree (reporter_id, id DESC);
CREATE INDEX report_state ON community.report USING btree (state, id);
CREATE INDEX report_subject ON community.report USING btree (subject_kind, subject_id);

create table event.calendar (
  user_id uuid not null,
  token_hash text not null,
  created_at timestamp with time zone not null default now(),
  used_at timestamp with time zone,
  constraint calendar_pkey PRIMARY KEY (user_id),
  constraint calendar_token_hash_key UNIQUE (token_hash),
  constraint calendar_user_id_fkey FOREIGN KEY (user_id) REFERENCES account."user"(id) ON DELETE CASCADE
);

create table event.event (
  id uuid not null,
  slug text not null,
  owner_id uuid not null,
  organization_id uuid,
  title jsonb not null,
  text jsonb not null default '{}'::jsonb,
  place jsonb not null,
  starts_at timestamp with time zone not null,
  ends_at timestamp with time zone not null,
  time_zone text not null,
  rrule text,
  ends_last_at timestamp with time zone,
  capacity integer,
  opens_at timestamp with time zone,
  closes_before_seconds integer not null default 0,
  approval text not null default 'instant'::text,
  confirm_by_link boolean not null default false,
  offer_seconds integer not null default 43200,
  visibility text not null default 'public'::text,
  pack_id uuid,
  version_id uuid,
  album_id uuid,
  tags text[] not null default '{}'::text[],
  questions jsonb not null default '[]'::jsonb,
  sequence integer not null default 0,
  revision integer not null default 1,
  state text not null default 'published'::text,
  cancelled_reason text not null default ''::text,
  source_id uuid,
  source_uid text,
  source_values jsonb,
  edited text[] not null default '{}'::text[],
  created_at timestamp with time zone not null default now(),
  updated_at timestamp with time zone not null default now(),
  deleted_at timestamp with time zone,
  words tsvector default (setweight(to_tsvector('russian'::regconfig, ((COALESCE((title ->> 'ru'::text), ''::text) || ' '::text) || COALESCE((title ->> 'en'::text), ''::text))), 'A'::"char") || setweight(to_tsvector('russian'::regconfig, ((COALESCE((text ->> 'ru'::text), ''::text) || ' '::text) || COALESCE((text ->> 'en'::text), ''::text))), 'C'::"char")),
  spelling text default event.spell(((COALESCE((title ->> 'ru'::text), ''::text) || ' '::text) || COALESCE((title ->> 'en'::text), ''::text))),
  constraint event_pkey PRIMARY KEY (id),
  constraint event_slug_key UNIQUE (slug),
  constraint event_album_id_fkey FOREIGN KEY (album_id) REFERENCES image.album(id) ON DELETE SET NULL,
  constraint event_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES organization.organization(id),
  constraint event_owner_id_fkey FOREIGN KEY (owner_id) REFERENCES account."user"(id),
  constraint event_pack_id_fkey FOREIGN KEY (pack_id) REFERENCES pack.pack(id) ON DELETE SET NULL,
  constraint event_source_id_fkey FOREIGN KEY (source_id) REFERENCES event.source(id) ON DELETE SET NULL,
  constraint event_version_id_fkey FOREIGN KEY (version_id) REFERENCES pack.version(id) ON DELETE SET NULL,
  constraint event_approval_check CHECK ((approval = ANY (ARRAY['instant'::text, 'hand'::text, 'lottery'::text]))),
  constraint event_capacity_check CHECK ((capacity >= 0)),
  constraint event_check CHECK ((ends_at >= starts_at)),
  constraint event_state_check CHECK ((state = ANY (ARRAY['draft'::text, 'published'::text, 'cancelled'::text]))),
  constraint event_visibility_check CHECK ((visibility = ANY (ARRAY['public'::text, 'unlisted'::text, 'members'::text])))
);
CREATE INDEX event_album_id ON event.event USING btree (album_id);
CREATE INDEX event_endless ON event.event USING btree (id) WHERE ((rrule IS NOT NULL) AND (ends_last_at IS NULL) AND (deleted_at IS NULL) AND (state <> 'cancelled'::text));
CREATE INDEX event_organization_id ON event.event USING btree (organization_id);
CREATE INDEX event_owner_id ON event.event USING btree (owner_id);
CREATE INDEX event_pack_id ON event.event USING btree (pack_id);
CREATE INDEX event_source_id ON event.event USING btree (source_id);
CREATE UNIQUE INDEX event_source_uid ON event.event USING btree (source_id, source_uid) WHERE (source_id IS NOT NULL);
CREATE INDEX event_spelling ON event.event USING gin (spelling gin_trgm_ops) WITH (fastupdate=off);
CREATE INDEX event_starts_at ON event.event USING btree (starts_at, id) WHERE ((deleted_at IS NULL) AND (state <> 'draft'::text));
CREATE INDEX event_tags ON event.event USING gin (tags) WITH (fastupdate=off);
CREATE INDEX event_version_id ON event.event USING btree (version_id);
CREATE INDEX event_words ON event.event USING gin (words) WITH (fastupdate=off);

create table event.occurrence (
  id uuid not null,
  event_id uuid not null,
  recurs_at timestamp with time zone not null,
  starts_at timestamp with time zone not null,
  ends_at timestamp with time zone not null,
  capacity integer,
  taken integer not null default 0,
  last_position integer not null default 0,
  waiting integer not null default 0,
  edited boolean not null default false,
  cancelled_at timestamp with time zone,
  drawn_at timestamp with time zone,
  constraint occurrence_pkey PRIMARY KEY (id),
  constraint occurrence_event_id_recurs_at_key UNIQUE (event_id, recurs_at) DEFERRABLE INITIALLY DEFERRED,
  constraint occurrence_event_id_fkey FOREIGN KEY (event_id) REFERENCES event.event(id) ON DELETE CASCADE,
  constraint occurrence_capacity_check CHECK ((capacity >= 0)),
  constraint occurrence_check CHECK (((taken >= 0) AND ((capacity IS NULL) OR (taken <= capacity)))),
  constraint occurrence_check1 CHECK ((ends_at >= starts_at)),
  constraint occurrence_waiting_check CHECK ((waiting >= 0))
);
CREATE INDEX occurrence_event_id ON event.occurrence USING btree (event_id, starts_at);
CREATE INDEX occurrence_span ON event.occurrence USING gist (tstzrange(starts_at, ends_at));
CREATE INDEX occurrence_starts_at ON event.occurrence USING btree (starts_at, event_id);

create table event.registration (
  id uuid not null,
  occurrence_id uuid not null,
  user_id uuid not null,
  state text not null,
  "position" integer,
  answers jsonb not null default '{}'::jsonb,
  offered_until timestamp with time zone,
  token_hash text,
  revision integer not null default 1,
  created_at timestamp with time zone not null default now(),
  updated_at timestamp with time zone not null default now(),
  constraint registration_pkey PRIMARY KEY (id),
  constraint registration_occurrence_id_user_id_key UNIQUE (occurrence_id, user_id),
  constraint registration_occurrence_id_fkey FOREIGN KEY (occurrence_id) REFERENCES event.occurrence(id) ON DELETE CASCADE,
  constraint registration_user_id_fkey FOREIGN KEY (user_id) REFERENCES account."user"(id) ON DELETE CASCADE,
  constraint registration_check CHECK (((state = 'offered'::text) = (offered_until IS NOT NULL))),
  constraint registration_check1 CHECK (((state <> 'waitlisted'::text) OR ("position" IS NOT NULL))),
  constraint registration_state_check CHECK ((state = ANY (ARRAY['pending'::text, 'confirmed'::text, 'waitlisted'::text, 'offered'::text, 'declined'::text, 'cancelled'::text, 'checked-in'::text, 'no-show'::text])))
);
CREATE INDEX registration_offered ON event.registration USING btree (offered_until) WHERE (state = 'offered'::text);
CREATE INDEX registration_token_hash ON event.registration USING btree (token_hash) WHERE (token_hash IS NOT NULL);
CREATE INDEX registration_user_id ON event.registration USING btree (user_id, id DESC);
CREATE INDEX registration_waiting ON event.registration USING btree (occurrence_id, "position") WHERE (state = 'waitlisted'::text);

create table event.registration_change (
  id bigint not null,
  registration_id uuid not null,
  from_state text,
  to_state text not null,
  reason text not null,
  actor_id uuid,
  note text not null default ''::text,
  created_at timestamp with time zone not null default clock_timestamp(),
  constraint registration_change_pkey PRIMARY KEY (id),
  constraint registration_change_actor_id_fkey FOREIGN KEY (actor_id) REFERENCES account."user"(id) ON DELETE SET NULL,
  constraint registration_change_registration_id_fkey FOREIGN KEY (registration_id) REFERENCES event.registration(id) ON DELETE CASCADE
);
CREATE INDEX registration_change_actor_id ON event.registration_change USING btree (actor_id);
CREATE INDEX registration_change_created_at ON event.registration_change USING btree (created_at);
CREATE INDEX registration_change_registration_id ON event.registration_change USING btree (registration_id, id);

create table event.server_token (
  id uuid not null,
  event_id uuid not null,
  name text not null,
  token_hash text not null,
  created_at timestamp with time zone not null default now(),
  used_at timestamp with time zone,
  revoked_at timestamp with time zone,
  constraint server_token_pkey PRIMARY KEY (id),
  constraint server_token_token_hash_key UNIQUE (token_hash),
  constraint server_token_event_id_fkey FOREIGN KEY (event_id) REFERENCES event.event(id) ON DELETE CASCADE
);
CREATE INDEX server_token_event_id ON event.server_token USING btree (event_id);

create table event.source (
  id uuid not null,
  organization_id uuid not null,
  url text not null,
  format text not null,
  name text not null default ''::text,
  time_zone text not null default 'UTC'::text,
  every_seconds integer not null default 3600,
  visibility text not null default 'unlisted'::text,
  enabled boolean not null default true,
  etag text,
  last_modified text,
  due_at timestamp with time zone not null default now(),
  fetched_at timestamp with time zone,
  failures integer not null default 0,
  problem text,
  report jsonb,
  created_by uuid,
  created_at timestamp with time zone not null default now(),
  constraint source_pkey PRIMARY KEY (id),
  constraint source_organization_id_url_key UNIQUE (organization_id, url),
  constraint source_created_by_fkey FOREIGN KEY (created_by) REFERENCES account."user"(id) ON DELETE SET NULL,
  constraint source_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES organization.organization(id) ON DELETE CASCADE,
  constraint source_format_check CHECK ((format = ANY (ARRAY['ics'::text, 'json'::text]))),
  constraint source_visibility_check CHECK ((visibility = ANY (ARRAY['public'::text, 'unlisted'::text, 'members'::text])))
);
CREATE INDEX source_created_by ON event.source USING btree (created_by);
CREATE INDEX source_due_at ON event.source USING btree (due_at) WHERE enabled;

create table file.file (
  id uuid not null,
  owner_id uuid not null,
  name text not null,
  blob_id uuid not null,
  visibility text not null default 'private'::text,
  revision integer not null default 1,
  created_at timestamp with time zone not null default now(),
  updated_at timestamp with time zone not null default now(),
  constraint file_pkey PRIMARY KEY (id),
  constraint file_blob_id_fkey FOREIGN KEY (blob_id) REFERENCES blob.blob(id) ON DELETE RESTRICT,
  constraint file_owner_id_fkey FOREIGN KEY (owner_id) REFERENCES account."user"(id) ON DELETE CASCADE,
  constraint file_visibility_check CHECK ((visibility = ANY (ARRAY['private'::text, 'public'::text])))
);
CREATE INDEX file_blob_id ON file.file USING btree (blob_id);
CREATE INDEX file_owner_id ON file.file USING btree (owner_id, id);

create table file.reader_role (
  file_id uuid not null,
  role text not null,
  constraint reader_role_pkey PRIMARY KEY (file_id, role),
  constraint reader_role_file_id_fkey FOREIGN KEY (file_id) REFERENCES file.file(id) ON DELETE CASCADE
);

create table file.reader_user (
  file_id uuid not null,
  user_id uuid not null,
  constraint reader_user_pkey PRIMARY KEY (file_id, user_id),
  constraint reader_user_file_id_fkey FOREIGN KEY (file_id) REFERENCES file.file(id) ON DELETE CASCADE,
  constraint reader_user_user_id_fkey FOREIGN KEY (user_id) REFERENCES account."user"(id) ON DELETE CASCADE
);
CREATE INDEX file_reader_user_user_id ON file.reader_user USING btree (user_id);

create table image.album (
  id uuid not null,
  owner_id uuid not null,
  pack_id uuid,
  title text not null,
  description text not null default ''::text,
  visibility text not null default 'private'::text,
  revision integer not null default 1,
  created_at timestamp with time zone not null default now(),
  updated_at timestamp with time zone not null default now(),
  organization_id uuid,
  event_id uuid,
  constraint album_pkey PRIMARY KEY (id),
  constraint album_event_id_fkey FOREIGN KEY (event_id) REFERENCES event.event(id) ON DELETE CASCADE,
  constraint album_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES organization.organization(id),
  constraint album_owner_id_fkey FOREIGN KEY (owner_id) REFERENCES account."user"(id) ON DELETE CASCADE,
  constraint album_pack_id_fkey FOREIGN KEY (pack_id) REFERENCES pack.pack(id) ON DELETE CASCADE,
  constraint album_visibility_check CHECK ((visibility = ANY (ARRAY['private'::text, 'page'::text, 'unlisted'::text, 'public'::text])))
);
CREATE INDEX album_event_id ON image.album USING btree (event_id);
CREATE INDEX album_organization_id ON image.album USING btree (organization_id);
CREATE INDEX album_owner_id ON image.album USING btree (owner_id, id DESC);
CREATE INDEX album_pack_id ON image.album USING btree (pack_id);

create table image.archive (
  id uuid not null,
  album_id uuid not null,
  digest text not null,
  images integer not null,
  blob_id uuid,
  created_at timestamp with time zone not null default now(),
  constraint archive_pkey PRIMARY KEY (id),
  constraint archive_album_id_digest_key UNIQUE (album_id, digest),
  constraint archive_album_id_fkey FOREIGN KEY (album_id) REFERENCES image.album(id) ON DELETE CASCADE,
  constraint archive_blob_id_fkey FOREIGN KEY (blob_id) REFERENCES blob.blob(id) ON DELETE RESTRICT
);
CREATE INDEX image_archive_blob_id ON image.archive USING btree (blob_id);
CREATE INDEX image_archive_created_at ON image.archive USING btree (created_at);

create table image.archive_image (
  archive_id uuid not null,
  image_id uuid not null,
  "position" integer not null,
  constraint archive_image_pkey PRIMARY KEY (archive_id, image_id),
  constraint archive_image_archive_id_fkey FOREIGN KEY (archive_id) REFERENCES image.archive(id) ON DELETE CASCADE,
  constraint archive_image_image_id_fkey FOREIGN KEY (image_id) REFERENCES image.image(id) ON DELETE CASCADE
);
CREATE INDEX archive_image_image_id ON image.archive_image USING btree (image_id);

create table image.image (
  id uuid not null,
  owner_id uuid not null,
  kind text not null default 'picture'::text,
  album_id uuid,
  state text not null default 'waiting'::text,
  reason text,
  name text not null,
  caption text not null default ''::text,
  alt text not null default ''::text,
  visibility text not null default 'private'::text,
  rank text not null,
  sha256 text not null,
  size_bytes bigint not null,
  source_blob_id uuid,
  width integer,
  height integer,
  animated boolean not null default false,
  placeholder text,
  focus_x real not null default 0.5,
  focus_y real not null default 0.5,
  tries integer not null default 0,
  renderer integer not null default 0,
  rendered_at timestamp with time zone,
  render_until timestamp with time zone not null default now(),
  revision integer not null default 1,
  created_at timestamp with time zone not null default now(),
  updated_at timestamp with time zone not null default now(),
  expires_at timestamp with time zone not null,
  constraint image_pkey PRIMARY KEY (id),
  constraint image_album_id_fkey FOREIGN KEY (album_id) REFERENCES image.album(id) ON DELETE SET NULL,
  constraint image_owner_id_fkey FOREIGN KEY (owner_id) REFERENCES account."user"(id) ON DELETE CASCADE,
  constraint image_source_blob_id_fkey FOREIGN KEY (source_blob_id) REFERENCES blob.blob(id) ON DELETE RESTRICT,
  constraint image_kind_check CHECK ((kind = ANY (ARRAY['picture'::text, 'avatar'::text]))),
  constraint image_state_check CHECK ((state = ANY (ARRAY['waiting'::text, 'processing'::text, 'ready'::text, 'rejected'::text]))),
  constraint image_visibility_check CHECK ((visibility = ANY (ARRAY['private'::text, 'album'::text, 'unlisted'::text, 'public'::text])))
);
CREATE INDEX image_album_rank ON image.image USING btree (album_id, rank, id);
CREATE UNIQUE INDEX image_avatar ON image.image USING btree (owner_id, ((state = 'ready'::text))) WHERE (kind = 'avatar'::text);
CREATE INDEX image_owner_rank ON image.image USING btree (owner_id, rank, id);
CREATE INDEX image_renderer ON image.image USING btree (renderer, id) WHERE (state = 'ready'::text);
CREATE INDEX image_sha256 ON image.image USING btree (sha256);
CREATE INDEX image_source_blob_id ON image.image USING btree (source_blob_id);
CREATE INDEX image_source_kept ON image.image USING btree (created_at) WHERE ((state = 'ready'::text) AND (source_blob_id IS NOT NULL));
CREATE INDEX image_unsettled ON image.image USING btree (expires_at) WHERE (state <> 'ready'::text);

create table image.quota (
  user_id uuid not null,
  images integer not null default 0,
  size_bytes bigint not null default 0,
  constraint quota_pkey PRIMARY KEY (user_id),
  constraint quota_user_id_fkey FOREIGN KEY (user_id) REFERENCES account."user"(id) ON DELETE CASCADE,
  constraint quota_images_check CHECK ((images >= 0)),
  constraint quota_size_bytes_check CHECK ((size_bytes >= 0))
);

create table image.reader_organization (
  image_id uuid not null,
  organization_id uuid not null,
  constraint reader_organization_pkey PRIMARY KEY (image_id, organization_id),
  constraint reader_organization_image_id_fkey FOREIGN KEY (image_id) REFERENCES image.image(id) ON DELETE CASCADE,
  constraint reader_organization_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES organization.organization(id) ON DELETE CASCADE
);
CREATE INDEX image_reader_organization_id ON image.reader_organization USING btree (organization_id);

create table image.reader_role (
  image_id uuid not null,
  role text not null,
  constraint reader_role_pkey PRIMARY KEY (image_id, role),
  constraint reader_role_image_id_fkey FOREIGN KEY (image_id) REFERENCES image.image(id) ON DELETE CASCADE
);

create table image.reader_user (
  image_id uuid not null,
  user_id uuid not null,
  constraint reader_user_pkey PRIMARY KEY (image_id, user_id),
  constraint reader_user_image_id_fkey FOREIGN KEY (image_id) REFERENCES image.image(id) ON DELETE CASCADE,
  constraint reader_user_user_id_fkey FOREIGN KEY (user_id) REFERENCES account."user"(id) ON DELETE CASCADE
);
CREATE INDEX image_reader_user_user_id ON image.reader_user USING btree (user_id);

create table image.share (
  id uuid not null,
  album_id uuid not null,
  token_hash text not null,
  password_hash text,
  created_at timestamp with time zone not null default now(),
  expires_at timestamp with time zone,
  revoked_at timestamp with time zone,
  used_at timestamp with time zone,
  uses integer not null default 0,
  constraint share_pkey PRIMARY KEY (id),
  constraint share_token_hash_key UNIQUE (token_hash),
  constraint share_album_id_fkey FOREIGN KEY (album_id) REFERENCES image.album(id) ON DELETE CASCADE
);
CREATE INDEX share_album_id ON image.share USING btree (album_id);

create table image.variant (
  image_id uuid not null,
  name text not null,
  format text not null,
  blob_id uuid not null,
  width integer not null,
  height integer not null,
  constraint variant_pkey PRIMARY KEY (image_id, name, format),
  constraint variant_blob_id_fkey FOREIGN KEY (blob_id) REFERENCES blob.blob(id) ON DELETE RESTRICT,
  constraint variant_image_id_fkey FOREIGN KEY (image_id) REFERENCES image.image(id) ON DELETE CASCADE,
  constraint variant_format_check CHECK ((format = ANY (ARRAY['webp'::text, 'avif'::text])))
);
CREATE INDEX variant_blob_id ON image.variant USING btree (blob_id);

create table job.canary (
  actor text not null,
  sent_at timestamp with time zone not null,
  seen_at timestamp with time zone,
  constraint canary_pkey PRIMARY KEY (actor)
);

create table job.job (
  id uuid not null,
  actor text not null,
  subject text not null,
  payload jsonb not null,
  owner_id uuid,
  wanted integer not null default 1,
  done integer not null default 0,
  state text not null default 'waiting'::text,
  progress real not null default 0,
  attempts integer not null default 0,
  broken_off integer not null default 0,
  result jsonb,
  problem jsonb,
  created_at timestamp with time zone not null default now(),
  updated_at timestamp with time zone not null default now(),
  trace_id text,
  wanted_at timestamp with time zone not null default now(),
  constraint job_pkey PRIMARY KEY (id),
  constraint job_actor_subject_key UNIQUE (actor, subject),
  constraint job_owner_id_fkey FOREIGN KEY (owner_id) REFERENCES account."user"(id) ON DELETE SET NULL,
  constraint job_state_check CHECK ((state = ANY (ARRAY['waiting'::text, 'running'::text, 'completed'::text, 'failed'::text])))
);
CREATE INDEX job_failed ON job.job USING btree (id DESC) WHERE (state = 'failed'::text);
CREATE INDEX job_owner_id ON job.job USING btree (owner_id);
CREATE INDEX job_settled ON job.job USING btree (updated_at) WHERE (done >= wanted);
CREATE INDEX job_unsettled ON job.job USING btree (updated_at) WHERE (done < wanted);

create table log.batch (
  id uuid not null,
  lines text not null,
  constraint batch_pkey PRIMARY KEY (id)
);

create table log.run (
  actor text not null,
  outcome text not null,
  runs bigint not null,
  seconds double precision not null,
  buckets bigint[] not null,
  constraint run_pkey PRIMARY KEY (actor, outcome),
  constraint run_outcome_check CHECK ((outcome = ANY (ARRAY['completed'::text, 'postponed'::text, 'failed'::text])))
);

create table mail.mail (
  id uuid not null,
  kind text not null,
  recipient text not null,
  locale text not null,
  params jsonb not null,
  created_at timestamp with time zone not null default now(),
  claimed_until timestamp with time zone,
  sent_at timestamp with time zone,
  dropped text,
  constraint mail_pkey PRIMARY KEY (id)
);
CREATE INDEX mail_created_at ON mail.mail USING btree (created_at);
CREATE INDEX mail_sent ON mail.mail USING btree (recipient, kind, sent_at);

create table notification.delivery (
  id uuid not null,
  notification_id uuid not null,
  user_id uuid,
  medium text not null,
  target_id uuid,
  group_key text not null,
  state text not null,
  why text,
  due_at timestamp with time zone not null default now(),
  digest boolean not null default false,
  claimed_until timestamp with time zone,
  attempts integer not null default 0,
  status integer,
  created_at timestamp with time zone not null default now(),
  settled_at timestamp with time zone,
  trace_id text,
  constraint delivery_pkey PRIMARY KEY (id),
  constraint delivery_notification_id_medium_target_id_key UNIQUE NULLS NOT DISTINCT (notification_id, medium, target_id),
  constraint delivery_notification_id_fkey FOREIGN KEY (notification_id) REFERENCES notification.notification(id) ON DELETE CASCADE,
  constraint delivery_user_id_fkey FOREIGN KEY (user_id) REFERENCES account."user"(id) ON DELETE CASCADE,
  constraint delivery_medium_check CHECK ((medium = ANY (ARRAY['inbox'::text, 'mail'::text, 'webhook'::text, 'discord'::text, 'telegram'::text, 'push'::text]))),
  constraint delivery_state_check CHECK ((state = ANY (ARRAY['queued'::text, 'sent'::text, 'failed'::text, 'skipped'::text])))
);
CREATE INDEX delivery_due ON notification.delivery USING btree (medium, due_at) WHERE ((state = 'queued'::text) AND (NOT digest));
CREATE INDEX delivery_target ON notification.delivery USING btree (target_id, id DESC) WHERE (target_id IS NOT NULL);
CREATE INDEX delivery_user_id ON notification.delivery USING btree (user_id, id DESC);
CREATE INDEX delivery_waiting ON notification.delivery USING btree (user_id, group_key) WHERE (state = 'queued'::text);

create table notification.mute (
  user_id uuid not null,
  event_id uuid not null,
  created_at timestamp with time zone not null default now(),
  constraint mute_pkey PRIMARY KEY (user_id, event_id),
  constraint mute_event_id_fkey FOREIGN KEY (event_id) REFERENCES event.event(id) ON DELETE CASCADE,
  constraint mute_user_id_fkey FOREIGN KEY (user_id) REFERENCES account."user"(id) ON DELETE CASCADE
);
CREATE INDEX mute_event_id ON notification.mute USING btree (event_id);

create table notification.notification (
  id uuid not null,
  fact_id uuid not null,
  fact_at timestamp with time zone not null,
  user_id uuid,
  kind text not null,
  reason text not null,
  group_key text not null,
  critical boolean not null,
  pack_id uuid,
  version_id uuid,
  event_id uuid,
  occurrence_id uuid,
  registration_id uuid,
  organization_id uuid,
  subject_id uuid,
  fields text[] not null default '{}'::text[],
  shown boolean not null,
  read_at timestamp with time zone,
  created_at timestamp with time zone not null default now(),
  constraint notification_pkey PRIMARY KEY (id),
  constraint notification_fact_id_user_id_kind_key UNIQUE NULLS NOT DISTINCT (fact_id, user_id, kind),
  constraint notification_user_id_fkey FOREIGN KEY (user_id) REFERENCES account."user"(id) ON DELETE CASCADE
);
CREATE INDEX notification_created_at ON notification.notification USING btree (created_at);
CREATE INDEX notification_group ON notification.notification USING btree (user_id, group_key);
CREATE INDEX notification_unread ON notification.notification USING btree (user_id, id DESC) WHERE (shown AND (read_at IS NULL));
CREATE INDEX notification_user_id ON notification.notification USING btree (user_id, id DESC);

create table notification.preference (
  user_id uuid not null,
  kind text not null,
  medium text not null,
  enabled boolean not null,
  constraint preference_pkey PRIMARY KEY (user_id, kind, medium),
  constraint preference_user_id_fkey FOREIGN KEY (user_id) REFERENCES account."user"(id) ON DELETE CASCADE,
  constraint preference_medium_check CHECK ((medium = ANY (ARRAY['inbox'::text, 'mail'::text, 'telegram'::text, 'push'::text])))
);

create table notification.push_subscription (
  id uuid not null,
  user_id uuid not null,
  address_hash text not null,
  sealed text not null,
  device text not null,
  created_at timestamp with time zone not null default now(),
  constraint push_subscription_pkey PRIMARY KEY (id),
  constraint push_subscription_user_id_address_hash_key UNIQUE (user_id, address_hash),
  constraint push_subscription_user_id_fkey FOREIGN KEY (user_id) REFERENCES account."user"(id) ON DELETE CASCADE
);

create table notification.settings (
  user_id uuid not null,
  quiet_from text,
  quiet_to text,
  digest text not null default 'off'::text,
  digest_due_at timestamp with time zone,
  digest_claimed_until timestamp with time zone,
  constraint settings_pkey PRIMARY KEY (user_id),
  constraint settings_user_id_fkey FOREIGN KEY (user_id) REFERENCES account."user"(id) ON DELETE CASCADE,
  constraint settings_check CHECK (((quiet_from IS NULL) = (quiet_to IS NULL))),
  constraint settings_digest_check CHECK ((digest = ANY (ARRAY['off'::text, 'daily'::text, 'weekly'::text]))),
  constraint settings_quiet_from_check CHECK ((quiet_from ~ '^\d\d:\d\d$'::text)),
  constraint settings_quiet_to_check CHECK ((quiet_to ~ '^\d\d:\d\d$'::text))
);
CREATE INDEX settings_digest_due_at ON notification.settings USING btree (digest_due_at) WHERE (digest_due_at IS NOT NULL);

create table notification.telegram_chat (
  user_id uuid not null,
  chat_id bigint,
  code_hash text,
  code_expires_at timestamp with time zone,
  linked_at timestamp with time zone,
  constraint telegram_chat_pkey PRIMARY KEY (user_id),
  constraint telegram_chat_code_hash_key UNIQUE (code_hash),
  constraint telegram_chat_user_id_fkey FOREIGN KEY (user_id) REFERENCES account."user"(id) ON DELETE CASCADE
);
CREATE INDEX telegram_chat_chat_id ON notification.telegram_chat USING btree (chat_id);

create table notification.telegram_feed (
  id boolean not null default true,
  next_update bigint not null default 0,
  claimed_until timestamp with time zone,
  constraint telegram_feed_pkey PRIMARY KEY (id),
  constraint telegram_feed_id_check CHECK (id)
);

create table notification.webhook (
  id uuid not null,
  user_id uuid,
  organization_id uuid,
  name text not null,
  address text not null,
  secret text,
  format text not null,
  locale text not null,
  kinds text[] not null,
  revision integer not null default 1,
  failing_since timestamp with time zone,
  disabled_at timestamp with time zone,
  disabled_reason text,
  created_at timestamp with time zone not null default now(),
  pack_id uuid,
  constraint webhook_pkey PRIMARY KEY (id),
  constraint webhook_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES organization.organization(id) ON DELETE CASCADE,
  constraint webhook_pack_id_fkey FOREIGN KEY (pack_id) REFERENCES pack.pack(id) ON DELETE CASCADE,
  constraint webhook_user_id_fkey FOREIGN KEY (user_id) REFERENCES account."user"(id) ON DELETE CASCADE,
  constraint webhook_disabled_reason_check CHECK ((disabled_reason = ANY (ARRAY['gone'::text, 'failing'::text, 'by-hand'::text]))),
  constraint webhook_format_check CHECK ((format = ANY (ARRAY['standard'::text, 'discord'::text]))),
  constraint webhook_locale_check CHECK ((locale = ANY (ARRAY['ru'::text, 'en'::text]))),
  constraint webhook_owner CHECK ((num_nonnulls(user_id, organization_id, pack_id) = 1))
);
CREATE INDEX webhook_organization_id ON notification.webhook USING btree (organization_id);
CREATE INDEX webhook_pack_id ON notification.webhook USING btree (pack_id);
CREATE INDEX webhook_user_id ON notification.webhook USING btree (user_id);

create table organization.invitation (
  id uuid not null,
  organization_id uuid not null,
  role text not null,
  user_id uuid,
  token_hash text,
  created_by uuid,
  created_at timestamp with time zone not null default now(),
  expires_at timestamp with time zone not null,
  uses integer not null default 0,
  max_uses integer not null default 1,
  settled_at timestamp with time zone,
  outcome text,
  constraint invitation_pkey PRIMARY KEY (id),
  constraint invitation_token_hash_key UNIQUE (token_hash),
  constraint invitation_created_by_fkey FOREIGN KEY (created_by) REFERENCES account."user"(id) ON DELETE SET NULL,
  constraint invitation_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES organization.organization(id) ON DELETE CASCADE,
  constraint invitation_user_id_fkey FOREIGN KEY (user_id) REFERENCES account."user"(id) ON DELETE CASCADE,
  constraint invitation_check CHECK (((user_id IS NULL) <> (token_hash IS NULL))),
  constraint invitation_outcome_check CHECK ((outcome = ANY (ARRAY['accepted'::text, 'declined'::text, 'revoked'::text]))),
  constraint invitation_role_check CHECK ((role = ANY (ARRAY['manager'::text, 'member'::text])))
);
CREATE INDEX invitation_created_by ON organization.invitation USING btree (created_by);
CREATE INDEX invitation_expires_at ON organization.invitation USING btree (expires_at);
CREATE INDEX invitation_organization_id ON organization.invitation USING btree (organization_id);
CREATE INDEX invitation_user_id ON organization.invitation USING btree (user_id);

create table organization.member (
  organization_id uuid not null,
  user_id uuid not null,
  role text not null,
  is_public boolean not null default false,
  since timestamp with time zone not null default now(),
  constraint member_pkey PRIMARY KEY (organization_id, user_id),
  constraint member_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES organization.organization(id) ON DELETE CASCADE,
  constraint member_user_id_fkey FOREIGN KEY (user_id) REFERENCES account."user"(id) ON DELETE CASCADE,
  constraint member_role_check CHECK ((role = ANY (ARRAY['owner'::text, 'manager'::text, 'member'::text])))
);
CREATE UNIQUE INDEX member_owner ON organization.member USING btree (organization_id) WHERE (role = 'owner'::text);
CREATE INDEX organization_member_user_id ON organization.member USING btree (user_id);

create table organization.organization (
  id uuid not null,
  slug text not null,
  name text not null,
  description jsonb not null default '{}'::jsonb,
  links jsonb not null default '{}'::jsonb,
  visibility text not null default 'public'::text,
  revision integer not null default 1,
  created_at timestamp with time zone not null default now(),
  updated_at timestamp with time zone not null default now(),
  deleted_at timestamp with time zone,
  constraint organization_pkey PRIMARY KEY (id),
  constraint organization_slug_key UNIQUE (slug),
  constraint organization_visibility_check CHECK ((visibility = ANY (ARRAY['private'::text, 'unlisted'::text, 'public'::text])))
);
CREATE INDEX organization_public ON organization.organization USING btree (id DESC) WHERE (deleted_at IS NULL);

create table organization.transfer (
  id uuid not null,
  organization_id uuid not null,
  from_id uuid not null,
  to_id uuid not null,
  created_at timestamp with time zone not null default now(),
  expires_at timestamp with time zone not null,
  settled_at timestamp with time zone,
  outcome text,
  constraint transfer_pkey PRIMARY KEY (id),
  constraint transfer_from_id_fkey FOREIGN KEY (from_id) REFERENCES account."user"(id) ON DELETE CASCADE,
  constraint transfer_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES organization.organization(id) ON DELETE CASCADE,
  constraint transfer_to_id_fkey FOREIGN KEY (to_id) REFERENCES account."user"(id) ON DELETE CASCADE,
  constraint transfer_outcome_check CHECK ((outcome = ANY (ARRAY['accepted'::text, 'declined'::text, 'withdrawn'::text])))
);
CREATE INDEX transfer_from_id ON organization.transfer USING btree (from_id);
CREATE UNIQUE INDEX transfer_open ON organization.transfer USING btree (organization_id) WHERE (settled_at IS NULL);
CREATE INDEX transfer_organization_id ON organization.transfer USING btree (organization_id);
CREATE INDEX transfer_to_id ON organization.transfer USING btree (to_id);

create table outbox.delivery (
  fact_id uuid not null,
  receiver text not null,
  delivered_at timestamp with time zone not null default now(),
  constraint delivery_pkey PRIMARY KEY (fact_id, receiver),
  constraint delivery_fact_id_fkey FOREIGN KEY (fact_id) REFERENCES outbox.fact(id) ON DELETE CASCADE
);

create table outbox.fact (
  id uuid not null,
  kind text not null,
  payload jsonb not null,
  created_at timestamp with time zone not null default now(),
  attempts integer not null default 0,
  due_at timestamp with time zone not null default now(),
  relayed_at timestamp with time zone,
  trace_id text,
  constraint fact_pkey PRIMARY KEY (id)
);
CREATE INDEX fact_due_at ON outbox.fact USING btree (due_at) WHERE (relayed_at IS NULL);
CREATE INDEX fact_relayed_at ON outbox.fact USING btree (relayed_at) WHERE (relayed_at IS NOT NULL);

create table pack.archive (
  version_id uuid not null,
  format text not null,
  side text not null,
  base text not null,
  blob_id uuid not null,
  created_at timestamp with time zone not null default now(),
  constraint archive_pkey PRIMARY KEY (version_id, format, side, base),
  constraint archive_blob_id_fkey FOREIGN KEY (blob_id) REFERENCES blob.blob(id) ON DELETE RESTRICT,
  constraint archive_version_id_fkey FOREIGN KEY (version_id) REFERENCES pack.version(id) ON DELETE CASCADE,
  constraint archive_format_check CHECK ((format = ANY (ARRAY['mrpack'::text, 'zip'::text]))),
  constraint archive_side_check CHECK ((side = ANY (ARRAY['both'::text, 'client'::text, 'server'::text])))
);
CREATE INDEX archive_blob_id ON pack.archive USING btree (blob_id);

create table pack.link (
  id uuid not null,
  pack_id uuid not null,
  token_hash text not null,
  name text not null default ''::text,
  channel text,
  created_by uuid,
  created_at timestamp with time zone not null default now(),
  expires_at timestamp with time zone,
  revoked_at timestamp with time zone,
  used_at timestamp with time zone,
  uses bigint not null default 0,
  constraint link_pkey PRIMARY KEY (id),
  constraint link_token_hash_key UNIQUE (token_hash),
  constraint link_created_by_fkey FOREIGN KEY (created_by) REFERENCES account."user"(id) ON DELETE SET NULL,
  constraint link_pack_id_fkey FOREIGN KEY (pack_id) REFERENCES pack.pack(id) ON DELETE CASCADE,
  constraint link_channel_check CHECK ((channel = ANY (ARRAY['release'::text, 'beta'::text, 'alpha'::text])))
);
CREATE INDEX link_created_by ON pack.link USING btree (created_by);
CREATE INDEX link_pack_id ON pack.link USING btree (pack_id, id DESC);

create table pack.loader (
  name text not null,
  version text not null,
  minecraft text not null,
  state text not null default 'wanted'::text,
  profile bytea,
  md5 text,
  failures integer not null default 0,
  next_at timestamp with time zone not null,
  constraint loader_pkey PRIMARY KEY (name, version, minecraft),
  constraint loader_check CHECK (((state = 'known'::text) = (profile IS NOT NULL))),
  constraint loader_check1 CHECK (((profile IS NULL) = (md5 IS NULL))),
  constraint loader_name_check CHECK ((name = ANY (ARRAY['fabric'::text, 'quilt'::text]))),
  constraint loader_state_check CHECK ((state = ANY (ARRAY['wanted'::text, 'known'::text, 'missing'::text])))
);

create table pack.member (
  pack_id uuid not null,
  user_id uuid not null,
  role text not null,
  constraint member_pkey PRIMARY KEY (pack_id, user_id),
  constraint member_pack_id_fkey FOREIGN KEY (pack_id) REFERENCES pack.pack(id) ON DELETE CASCADE,
  constraint member_user_id_fkey FOREIGN KEY (user_id) REFERENCES account."user"(id) ON DELETE CASCADE,
  constraint member_role_check CHECK ((role = ANY (ARRAY['maintainer'::text, 'publisher'::text])))
);
CREATE INDEX member_user_id ON pack.member USING btree (user_id);

create table pack.pack (
  id uuid not null,
  slug text not null,
  name text not null,
  summary text not null default ''::text,
  description text not null default ''::text,
  licence text not null default ''::text,
  tags text[] not null default '{}'::text[],
  links jsonb not null default '{}'::jsonb,
  icon_blob_id uuid,
  visibility text not null default 'private'::text,
  owner_id uuid not null,
  revision integer not null default 1,
  published_count integer not null default 0,
  minecraft text[] not null default '{}'::text[],
  loaders text[] not null default '{}'::text[],
  created_at timestamp with time zone not null default now(),
  updated_at timestamp with time zone not null default now(),
  deleted_at timestamp with time zone,
  organization_id uuid,
  java text,
  memory_mb integer,
  server_address text,
  logo_blob_id uuid,
  background_blob_id uuid,
  solder boolean not null default false,
  constraint pack_pkey PRIMARY KEY (id),
  constraint pack_slug_key UNIQUE (slug),
  constraint pack_background_blob_id_fkey FOREIGN KEY (background_blob_id) REFERENCES blob.blob(id) ON DELETE RESTRICT,
  constraint pack_icon_blob_id_fkey FOREIGN KEY (icon_blob_id) REFERENCES blob.blob(id) ON DELETE RESTRICT,
  constraint pack_logo_blob_id_fkey FOREIGN KEY (logo_blob_id) REFERENCES blob.blob(id) ON DELETE RESTRICT,
  constraint pack_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES organization.organization(id),
  constraint pack_owner_id_fkey FOREIGN KEY (owner_id) REFERENCES account."user"(id),
  constraint pack_memory_mb_check CHECK (((memory_mb >= 256) AND (memory_mb <= 262144))),
  constraint pack_visibility_check CHECK ((visibility = ANY (ARRAY['private'::text, 'unlisted'::text, 'public'::text])))
);
CREATE INDEX pack_background_blob_id ON pack.pack USING btree (background_blob_id);
CREATE INDEX pack_deleted_at ON pack.pack USING btree (deleted_at) WHERE (deleted_at IS NOT NULL);
CREATE INDEX pack_icon_blob_id ON pack.pack USING btree (icon_blob_id);
CREATE INDEX pack_logo_blob_id ON pack.pack USING btree (logo_blob_id);
CREATE INDEX pack_organization_id ON pack.pack USING btree (organization_id);
CREATE INDEX pack_owner_id ON pack.pack USING btree (owner_id);
CREATE INDEX pack_public ON pack.pack USING btree (updated_at DESC, id DESC) WHERE (deleted_at IS NULL);
CREATE INDEX pack_short_id ON pack.pack USING btree (pack.short_id(id));

create table pack.reader_organization (
  pack_id uuid not null,
  organization_id uuid not null,
  constraint reader_organization_pkey PRIMARY KEY (pack_id, organization_id),
  constraint reader_organization_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES organization.organization(id) ON DELETE CASCADE,
  constraint reader_organization_pack_id_fkey FOREIGN KEY (pack_id) REFERENCES pack.pack(id) ON DELETE CASCADE
);
CREATE INDEX reader_organization_organization_id ON pack.reader_organization USING btree (organization_id);

create table pack.reader_role (
  pack_id uuid not null,
  role text not null,
  constraint reader_role_pkey PRIMARY KEY (pack_id, role),
  constraint reader_role_pack_id_fkey FOREIGN KEY (pack_id) REFERENCES pack.pack(id) ON DELETE CASCADE
);

create table pack.reader_user (
  pack_id uuid not null,
  user_id uuid not null,
  constraint reader_user_pkey PRIMARY KEY (pack_id, user_id),
  constraint reader_user_pack_id_fkey FOREIGN KEY (pack_id) REFERENCES pack.pack(id) ON DELETE CASCADE,
  constraint reader_user_user_id_fkey FOREIGN KEY (user_id) REFERENCES account."user"(id) ON DELETE CASCADE
);
CREATE INDEX reader_user_user_id ON pack.reader_user USING btree (user_id);

create table pack.solder_client (
  pack_id uuid not null,
  client_id uuid not null,
  name text not null,
  created_at timestamp with time zone not null default now(),
  constraint solder_client_pkey PRIMARY KEY (pack_id, client_id),
  constraint solder_client_pack_id_fkey FOREIGN KEY (pack_id) REFERENCES pack.pack(id) ON DELETE CASCADE
);
CREATE INDEX solder_client_client_id ON pack.solder_client USING btree (client_id);

create table pack.solder_mod (
  version_id uuid not null,
  name text not null,
  mod_version text not null,
  blob_id uuid not null,
  constraint solder_mod_pkey PRIMARY KEY (version_id, name),
  constraint solder_mod_blob_id_fkey FOREIGN KEY (blob_id) REFERENCES blob.blob(id) ON DELETE RESTRICT,
  constraint solder_mod_version_id_fkey FOREIGN KEY (version_id) REFERENCES pack.version(id) ON DELETE CASCADE
);
CREATE INDEX solder_mod_blob_id ON pack.solder_mod USING btree (blob_id);
CREATE INDEX solder_mod_name ON pack.solder_mod USING btree (name, mod_version);

create table pack.version (
  id uuid not null,
  pack_id uuid not null,
  version text not null,
  channel text not null,
  minecraft text not null,
  loader_name text,
  loader_version text,
  changelog text not null default ''::text,
  state text not null default 'draft'::text,
  content_digest text not null,
  revision integer not null default 1,
  number integer,
  created_by uuid not null,
  created_at timestamp with time zone not null default now(),
  updated_at timestamp with time zone not null default now(),
  expires_at timestamp with time zone,
  published_at timestamp with time zone,
  yanked_at timestamp with time zone,
  withdrawn_at timestamp with time zone,
  withdrawn_reason text,
  manifest bytea,
  manifest_sha256 text,
  java text,
  memory_mb integer,
  server_address text,
  groups jsonb,
  publish_at timestamp with time zone,
  publish_by uuid,
  constraint version_pkey PRIMARY KEY (id),
  constraint version_pack_id_version_key UNIQUE (pack_id, version),
  constraint version_created_by_fkey FOREIGN KEY (created_by) REFERENCES account."user"(id),
  constraint version_pack_id_fkey FOREIGN KEY (pack_id) REFERENCES pack.pack(id) ON DELETE CASCADE,
  constraint version_publish_by_fkey FOREIGN KEY (publish_by) REFERENCES account."user"(id) ON DELETE SET NULL,
  constraint version_channel_check CHECK ((channel = ANY (ARRAY['release'::text, 'beta'::text, 'alpha'::text]))),
  constraint version_check CHECK (((state = ANY (ARRAY['draft'::text, 'publishing'::text])) OR ((number IS NOT NULL) AND (manifest IS NOT NULL)))),
  constraint version_memory_mb_check CHECK (((memory_mb >= 256) AND (memory_mb <= 262144))),
  constraint version_state_check CHECK ((state = ANY (ARRAY['draft'::text, 'publishing'::text, 'published'::text, 'withdrawn'::text])))
);
CREATE INDEX version_created_by ON pack.version USING btree (created_by);
CREATE INDEX version_expires_at ON pack.version USING btree (expires_at) WHERE (state = 'draft'::text);
CREATE INDEX version_newest ON pack.version USING btree (pack_id, number DESC);
CREATE INDEX version_publish_at ON pack.version USING btree (publish_at) WHERE ((publish_at IS NOT NULL) AND (state = 'draft'::text));
CREATE INDEX version_publish_by ON pack.version USING btree (publish_by);
CREATE INDEX version_short_id ON pack.version USING btree (pack.short_id(id));

create table pack.version_file (
  version_id uuid not null,
  path text not null,
  side text not null,
  optional boolean not null default false,
  preserve boolean not null default false,
  sha256 text,
  size_bytes bigint,
  blob_id uuid,
  url text,
  digests jsonb,
  mirror text,
  mirror_reason text,
  group_id text,
  constraint version_file_pkey PRIMARY KEY (version_id, path),
  constraint version_file_blob_id_fkey FOREIGN KEY (blob_id) REFERENCES blob.blob(id) ON DELETE RESTRICT,
  constraint version_file_version_id_fkey FOREIGN KEY (version_id) REFERENCES pack.version(id) ON DELETE CASCADE,
  constraint version_file_check CHECK (((url IS NOT NULL) OR ((sha256 IS NOT NULL) AND (size_bytes IS NOT NULL)))),
  constraint version_file_mirror_check CHECK ((mirror = ANY (ARRAY['wanted'::text, 'refused'::text]))),
  constraint version_file_side_check CHECK ((side = ANY (ARRAY['both'::text, 'client'::text, 'server'::text])))
);
CREATE INDEX version_file_blob_id ON pack.version_file USING btree (blob_id);
CREATE INDEX version_file_missing ON pack.version_file USING btree (sha256) WHERE (blob_id IS NULL);
CREATE INDEX version_file_reference_sha1 ON pack.version_file USING btree (((digests ->> 'sha1'::text))) WHERE (blob_id IS NULL);
CREATE INDEX version_file_reference_sha512 ON pack.version_file USING btree (((digests ->> 'sha512'::text))) WHERE (blob_id IS NULL);

create table player.former_name (
  name_folded text not null,
  user_id uuid not null,
  free_at timestamp with time zone not null,
  constraint former_name_pkey PRIMARY KEY (name_folded),
  constraint former_name_user_id_fkey FOREIGN KEY (user_id) REFERENCES account."user"(id) ON DELETE CASCADE
);
CREATE INDEX former_name_free_at ON player.former_name USING btree (free_at);
CREATE INDEX former_name_user_id ON player.former_name USING btree (user_id);

create table player.player (
  id uuid not null,
  user_id uuid not null,
  name text not null,
  name_folded text not null,
  model text not null default 'default'::text,
  skin_blob_id uuid,
  cape_blob_id uuid,
  skin_upload_id uuid,
  cape_upload_id uuid,
  created_at timestamp with time zone not null default now(),
  constraint player_pkey PRIMARY KEY (id),
  constraint player_name_folded_key UNIQUE (name_folded),
  constraint player_cape_blob_id_fkey FOREIGN KEY (cape_blob_id) REFERENCES blob.blob(id) ON DELETE RESTRICT,
  constraint player_skin_blob_id_fkey FOREIGN KEY (skin_blob_id) REFERENCES blob.blob(id) ON DELETE RESTRICT,
  constraint player_user_id_fkey FOREIGN KEY (user_id) REFERENCES account."user"(id) ON DELETE CASCADE,
  constraint player_model_check CHECK ((model = ANY (ARRAY['default'::text, 'slim'::text])))
);
CREATE INDEX player_cape_blob_id ON player.player USING btree (cape_blob_id);
CREATE INDEX player_skin_blob_id ON player.player USING btree (skin_blob_id);
CREATE INDEX player_user_id ON player.player USING btree (user_id, created_at);

create table public.migration (
  name text not null,
  digest text not null,
  applied_at timestamp with time zone not null default now(),
  constraint migration_pkey PRIMARY KEY (name)
);

create table yggdrasil.joining (
  player_id uuid not null,
  session_id uuid not null,
  server_id text not null,
  address text not null,
  joined_at timestamp with time zone not null default now(),
  constraint joining_pkey PRIMARY KEY (player_id),
  constraint joining_player_id_fkey FOREIGN KEY (player_id) REFERENCES player.player(id) ON DELETE CASCADE,
  constraint joining_session_id_fkey FOREIGN KEY (session_id) REFERENCES account.session(id) ON DELETE CASCADE
);
CREATE INDEX joining_joined_at ON yggdrasil.joining USING btree (joined_at);
CREATE INDEX joining_session_id ON yggdrasil.joining USING btree (session_id);

create table yggdrasil.token (
  session_id uuid not null,
  token_hash text not null,
  client_token text not null,
  player_id uuid,
  player_name text,
  app_password_id uuid,
  issued_at timestamp with time zone not null default now(),
  constraint token_pkey PRIMARY KEY (session_id),
  constraint token_token_hash_key UNIQUE (token_hash),
  constraint token_app_password_id_fkey FOREIGN KEY (app_password_id) REFERENCES account.app_password(id) ON DELETE CASCADE,
  constraint token_player_id_fkey FOREIGN KEY (player_id) REFERENCES player.player(id) ON DELETE SET NULL,
  constraint token_session_id_fkey FOREIGN KEY (session_id) REFERENCES account.session(id) ON DELETE CASCADE
);
CREATE INDEX token_app_password_id ON yggdrasil.token USING btree (app_password_id);
CREATE INDEX token_player_id ON yggdrasil.token USING btree (player_id);

CREATE OR REPLACE FUNCTION analytics.drop_months(until timestamp with time zone)
 RETURNS SETOF text
 LANGUAGE plpgsql
AS $function$
declare
  part text;
begin
  perform pg_advisory_xact_lock(7368057);
  for part in
    select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
      where i.inhparent = 'analytics.event'::regclass
        and (to_date(right(c.relname, 7), 'YYYY_MM') + interval '1 month') at time zone 'UTC' <= until
  loop
    execute format('drop table analytics.%I', part);
    return next part;
  end loop;
end
$function$;

CREATE OR REPLACE FUNCTION analytics.prepare_months()
 RETURNS void
 LANGUAGE plpgsql
AS $function$
declare
  month timestamp := date_trunc('month', (now() - interval '2 days') at time zone 'UTC');
begin
  perform pg_advisory_xact_lock(7368057);
  while month <= date_trunc('month', now() at time zone 'UTC') + interval '2 months' loop
    execute format('create table if not exists analytics.%I partition of analytics.event for values from (%L) to (%L)',
      'event_' || to_char(month, 'YYYY_MM'), month at time zone 'UTC', (month + interval '1 month') at time zone 'UTC');
    month := month + interval '1 month';
  end loop;
end
$function$;

CREATE OR REPLACE FUNCTION audit.refuse_change()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  raise exception 'audit.act is only added to' using errcode = 'insufficient_privilege';
end $function$;

CREATE OR REPLACE FUNCTION event.can_read(e event.event, caller uuid, caller_roles text[])
 RETURNS boolean
 LANGUAGE sql
 STABLE
AS $function$
  select e.deleted_at is null
    and (e.organization_id is not null or not exists (select from account."user" u where u.id = e.owner_id and u.deleted_at is not null))
    and ((e.state <> 'draft' and e.visibility <> 'members')
      or event.role_of(e, caller, caller_roles) is not null
      or (e.state <> 'draft' and (
        organization.role_of(e.organization_id, caller, caller_roles) is not null
        or exists (select from event.registration r join event.occurrence o on o.id = r.occurrence_id
          where o.event_id = e.id and r.user_id = caller and r.state not in ('declined', 'cancelled')))))
$function$;

CREATE OR REPLACE FUNCTION event.change_capacity(which uuid, seats integer)
 RETURNS TABLE(taken integer, changed boolean)
 LANGUAGE plpgsql
AS $function$
#variable_conflict use_column
declare
  o event.occurrence;
begin
  perform event.settle_seats(which);
  select * into o from event.occurrence x where x.id = which;
  if not found then return; end if;
  if seats is not null and seats < o.taken then
    return query select o.taken, false;
    return;
  end if;
  update event.occurrence x set capacity = seats where x.id = which;
  perform event.settle_seats(which);
  return query select o.taken, true;
end
$function$;

CREATE OR REPLACE FUNCTION event.change_registration(registration uuid, expected text[], target text, reason text, actor uuid, note text)
 RETURNS TABLE(id uuid, former text, state text, changed boolean)
 LANGUAGE plpgsql
AS $function$
#variable_conflict use_column
declare
  o event.occurrence;
  e event.event;
  r event.registration;
  next text;
begin
  perform event.settle_seats(x.occurrence_id) from event.registration x where x.id = registration;
  select * into r from event.registration x where x.id = registration;
  if not found then return; end if;
  if not (r.state = any (expected)) then
    return query select r.id, r.state, r.state, false;
    return;
  end if;
  select * into o from event.occurrence x where x.id = r.occurrence_id;
  select * into e from event.event x where x.id = o.event_id;
  if target in ('admitted', 'confirmed') and r.state in ('pending', 'offered', 'declined')
    and (o.cancelled_at is not null or e.state = 'cancelled' or e.deleted_at is not null) then
    return query select r.id, r.state, r.state, false;
    return;
  end if;
  next := case
    when target <> 'admitted' then target
    when o.waiting > 0 or (o.capacity is not null and o.taken >= o.capacity) then 'waitlisted'
    when e.confirm_by_link and o.starts_at > clock_timestamp() then 'offered'
    else 'confirmed'
  end;
  update event.registration x set state = next, token_hash = case when next = 'confirmed' then x.token_hash end, revision = x.revision + 1, updated_at = clock_timestamp(),
      position = case when next = 'waitlisted' then o.last_position + 1 end,
      offered_until = case when next = 'offered' then event.offer_until(e, o) end
    where x.id = r.id;
  update event.occurrence x set
      taken = x.taken + event.holds_seat(next)::integer - event.holds_seat(r.state)::integer,
      waiting = x.waiting + (next = 'waitlisted')::integer - (r.state = 'waitlisted')::integer,
      last_position = x.last_position + (next = 'waitlisted')::integer
    where x.id = o.id;
  perform event.note_changes(array[r.id], array[r.state], reason, actor, note);
  if actor = r.user_id and next = 'cancelled' then
    insert into account.activity (id, user_id, kind, subject) values (event.make_id(), actor, 'event-left', e.slug);
  end if;
  perform event.settle_seats(o.id);
  return query select r.id, r.state, next, true;
end
$function$;

CREATE OR REPLACE FUNCTION event.draw(which uuid, actor uuid)
 RETURNS integer
 LANGUAGE plpgsql
AS $function$
declare
  o event.occurrence;
  e event.event;
  drawn uuid[];
  free integer;
  offers boolean;
begin
  perform event.settle_seats(which);
  select * into o from event.occurrence x where x.id = which;
  if not found then return null; end if;
  select * into e from event.event x where x.id = o.event_id;
  if o.cancelled_at is not null or e.state = 'cancelled' or e.deleted_at is not null then return null; end if;
  offers := e.confirm_by_link and o.starts_at > clock_timestamp();
  select coalesce(array_agg(r.id order by random()), '{}') into drawn from event.registration r where r.occurrence_id = o.id and r.state = 'pending';
  free := case when o.waiting > 0 then 0 when o.capacity is null then cardinality(drawn) else least(cardinality(drawn), o.capacity - o.taken) end;
  update event.registration r set revision = r.revision + 1, updated_at = clock_timestamp(),
      state = case when d.n > free then 'waitlisted' when offers then 'offered' else 'confirmed' end,
      position = case when d.n > free then o.last_position + d.n - free end,
      offered_until = case when d.n <= free and offers then event.offer_until(e, o) end
    from unnest(drawn) with ordinality d (id, n) where r.id = d.id;
  update event.occurrence x set taken = x.taken + free, waiting = x.waiting + cardinality(drawn) - free,
      last_position = x.last_position + cardinality(drawn) - free, drawn_at = clock_timestamp()
    where x.id = which;
  if cardinality(drawn) > 0 then
    perform event.note_changes(drawn, array_fill('pending'::text, array[cardinality(drawn)]), 'drawn', actor, '');
  end if;
  return free;
end
$function$;

CREATE OR REPLACE FUNCTION event.erase_registrations(person uuid)
 RETURNS integer
 LANGUAGE plpgsql
AS $function$
declare
  held record;
  erased integer := 0;
begin
  for held in select r.id, r.occurrence_id from event.registration r where r.user_id = person order by r.occurrence_id loop
    perform event.settle_seats(held.occurrence_id);
    with gone as (delete from event.registration r where r.id = held.id returning r.state)
      update event.occurrence o set taken = o.taken - event.holds_seat(gone.state)::integer, waiting = o.waiting - (gone.state = 'waitlisted')::integer
        from gone where o.id = held.occurrence_id;
    perform event.settle_seats(held.occurrence_id);
    erased := erased + 1;
  end loop;
  return erased;
end
$function$;

CREATE OR REPLACE FUNCTION event.holds_seat(state text)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE
AS $function$
  select state in ('confirmed', 'offered', 'checked-in', 'no-show')
$function$;

CREATE OR REPLACE FUNCTION event.make_id()
 RETURNS uuid
 LANGUAGE sql
AS $function$
  select (lpad(to_hex((extract(epoch from clock_timestamp()) * 1000)::bigint), 12, '0') || '7' || substr(replace(gen_random_uuid()::text, '-', ''), 14))::uuid
$function$;

CREATE OR REPLACE FUNCTION event.note_changes(ids uuid[], from_states text[], reason text, actor uuid, note text)
 RETURNS void
 LANGUAGE sql
AS $function$
  insert into event.registration_change (registration_id, from_state, to_state, reason, actor_id, note)
    select r.id, c.from_state, r.state, reason, actor, note
      from unnest(ids, from_states) with ordinality c (id, from_state, n) join event.registration r on r.id = c.id order by c.n;
  insert into outbox.fact (id, kind, payload)
    select event.make_id(), 'registration.' || case when reason = 'offer-expired' then reason when r.state = 'pending' then 'requested' else r.state end,
        jsonb_build_object('registrationId', r.id, 'userId', r.user_id, 'occurrenceId', o.id, 'eventId', o.event_id)
      from unnest(ids) c (id) join event.registration r on r.id = c.id join event.occurrence o on o.id = r.occurrence_id
      where reason <> 'undone';
$function$;

CREATE OR REPLACE FUNCTION event.offer_until(e event.event, o event.occurrence)
 RETURNS timestamp with time zone
 LANGUAGE sql
AS $function$
  select least(clock_timestamp() + make_interval(secs => case when e.confirm_by_link then greatest(e.offer_seconds, 3600) else e.offer_seconds end), o.starts_at)
$function$;

CREATE OR REPLACE FUNCTION event.refuse_change()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  if new is distinct from old and (new.registration_id, new.from_state, new.to_state, new.reason, new.note, new.created_at)
    is distinct from (old.registration_id, old.from_state, old.to_state, old.reason, old.note, old.created_at) then
    raise exception 'lines of event.registration_change are appended, never changed';
  end if;
  return new;
end
$function$;

CREATE OR REPLACE FUNCTION event.register(which uuid, people uuid[], ids uuid[], answers jsonb[])
 RETURNS TABLE(n integer, id uuid, state text, place integer, offered_until timestamp with time zone, created boolean, refusal text)
 LANGUAGE plpgsql
AS $function$
#variable_conflict use_column
declare
  o event.occurrence;
  e event.event;
  barrier text;
  free integer;
  first_state text;
  for_all boolean;                                  -- asked once instead of for each
begin
  perform event.settle_seats(which);
  select * into o from event.occurrence x where x.id = which;
  select * into e from event.event x where x.id = o.event_id;
  for_all := event.can_read(e, null, '{}') and e.visibility <> 'members';
  barrier := case
    when o.id is null or e.deleted_at is not null or e.state = 'draft' then 'gone'
    when e.state = 'cancelled' or o.cancelled_at is not null then 'cancelled'
    when e.opens_at > clock_timestamp() then 'not-open'
    when o.starts_at - make_interval(secs => e.closes_before_seconds) <= clock_timestamp() then 'closed'
  end;
  first_state := case when e.approval <> 'instant' then 'pending' when e.confirm_by_link then 'offered' else 'confirmed' end;
  -- Nobody is seated past those who wait.
  free := case when e.approval <> 'instant' then 2147483647 when o.waiting > 0 then 0 when o.capacity is null then 2147483647 else o.capacity - o.taken end;
  return query with
    asked as (
      select i.n::integer as n, i.person, i.id, i.answers, row_number() over (partition by i.person order by i.n) = 1 as first
        from unnest(people, ids, answers) with ordinality i (person, id, answers, n)),
    -- What each has already is looked up once, by the index: however many others are registered.
    seen as (
      select a.*, u.id is not null as allowed, r.id as former, r.state as former_state, r.position as former_position, r.offered_until as former_until
        from asked a
          left join lateral (select u.id from account."user" u where u.id = a.person and u.deleted_at is null and u.disabled_at is null
            and e.id is not null and (for_all or event.can_read(e, u.id, u.roles)) offset 0) u on true
          left join lateral (select r.* from event.registration r where r.occurrence_id = which and r.user_id = a.person offset 0) r on true),
    fresh as (
      select s.*, row_number() over (order by s.n) as r from seen s
        where s.first and s.allowed and barrier is null and (s.former is null or s.former_state = 'cancelled')),
    written as (
      insert into event.registration as w (id, occurrence_id, user_id, state, position, answers, offered_until)
        select f.id, which, f.person, case when f.r <= free then first_state else 'waitlisted' end,
            case when f.r <= free then null else o.last_position + f.r - free end, f.answers,
            case when f.r <= free and first_state = 'offered' then event.offer_until(e, o) end
          from fresh f order by f.n
        on conflict (occurrence_id, user_id) do update set state = excluded.state, position = excluded.position, answers = excluded.answers,
          offered_until = excluded.offered_until, revision = w.revision + 1, updated_at = clock_timestamp()
        returning w.id, w.user_id, w.state, w.position, w.offered_until, w.revision),
    noted as (
      insert into event.registration_change (registration_id, from_state, to_state, reason, actor_id)
        select w.id, case when w.revision > 1 then 'cancelled' end, w.state, 'registered', w.user_id from written w),
    told as (
      insert into outbox.fact (id, kind, payload)
        select event.make_id(), 'registration.' || case w.state when 'pending' then 'requested' else w.state end,
          jsonb_build_object('registrationId', w.id, 'userId', w.user_id, 'occurrenceId', o.id, 'eventId', o.event_id) from written w),
    remembered as (
      insert into account.activity (id, user_id, kind, subject) select event.make_id(), w.user_id, 'event-registered', e.slug from written w),
    counted as (
      update event.occurrence c set taken = c.taken + s.seats, waiting = c.waiting + s.waiters, last_position = c.last_position + s.waiters
        from (select count(*) filter (where event.holds_seat(w.state)) as seats, count(*) filter (where w.state = 'waitlisted') as waiters from written w) s
        where c.id = which and s.seats + s.waiters > 0)
    select s.n, coalesce(w.id, s.former), coalesce(w.state, s.former_state),
        case when w.state = 'waitlisted' then (o.waiting + w.position - o.last_position)::integer
          when w.id is null and s.former_state = 'waitlisted' then
            (select count(*)::integer from event.registration x where x.occurrence_id = which and x.state = 'waitlisted' and x.position <= s.former_position) end,
        case when w.id is null then s.former_until else w.offered_until end,
        w.id is not null and s.first,
        case
          when not s.allowed then 'gone'
          when w.id is null and s.former_state = 'declined' then 'declined'
          when w.id is null and (s.former is null or s.former_state = 'cancelled') then coalesce(barrier, 'gone')
        end
      from seen s left join written w on w.user_id = s.person and s.allowed
      order by s.n;
end
$function$;

CREATE OR REPLACE FUNCTION event.role_of(e event.event, caller uuid, caller_roles text[])
 RETURNS text
 LANGUAGE sql
 STABLE
AS $function$
  select case
    when caller is null then null
    when 'admin' = any (caller_roles) or (e.organization_id is null and e.owner_id = caller) then 'organizer'
    when organization.role_of(e.organization_id, caller, caller_roles) in ('owner', 'manager') then 'organizer'
  end
$function$;

CREATE OR REPLACE FUNCTION event.search(asked tsquery, spelled text[])
 RETURNS TABLE(id uuid, rank real)
 LANGUAGE sql
 STABLE ROWS 100
 SET "pg_trgm.word_similarity_threshold" TO '0.5'
AS $function$
  with held as materialized (select e.id, 1 + ts_rank(e.words, asked) as rank from event.event e where e.words @@ asked),
  near as (
    select e.id, word_similarity(array_to_string(spelled, ' '), e.spelling) as rank from event.event e
      where array_to_string(spelled, ' ') <% e.spelling and (select count(*) from (select from held limit 100) few) < 100
        and (cardinality(spelled) = 1 or not exists (select from unnest(spelled) word where word_similarity(word, e.spelling) < 0.35)))
  select both_kinds.id, max(both_kinds.rank)::real from (select * from held union all select * from near) both_kinds group by both_kinds.id
$function$;

CREATE OR REPLACE FUNCTION event.settle_seats(which uuid)
 RETURNS integer
 LANGUAGE plpgsql
AS $function$
declare
  o event.occurrence;
  e event.event;
  ids uuid[];
  freed integer := 0;
  seated integer := 0;
  free integer;
  given boolean;                                    -- seats are given, not offered
begin
  select * into o from event.occurrence where id = which for no key update;
  if not found then return 0; end if;
  select * into e from event.event where id = o.event_id;
  given := e.offer_seconds = 0 and not e.confirm_by_link;
  with expired as (
    update event.registration r set state = 'cancelled', offered_until = null, token_hash = null, position = null, revision = revision + 1, updated_at = clock_timestamp()
      where r.occurrence_id = o.id and r.state = 'offered' and r.offered_until <= clock_timestamp() returning r.id)
  select array_agg(id), count(*) into ids, freed from expired;
  if freed > 0 then perform event.note_changes(ids, array_fill('offered'::text, array[freed]), 'offer-expired', null, ''); end if;
  if o.waiting > 0 and o.cancelled_at is null and e.state = 'published' and e.deleted_at is null and o.starts_at > clock_timestamp() then
    free := case when o.capacity is null then o.waiting else least(o.waiting, o.capacity - o.taken + freed) end;
    if free > 0 then
      with chosen as (
        select r.id from event.registration r where r.occurrence_id = o.id and r.state = 'waitlisted' order by r.position limit free),
      moved as (
        update event.registration r set state = case when given then 'confirmed' else 'offered' end, position = null,
            offered_until = case when given then null else event.offer_until(e, o) end,
            revision = revision + 1, updated_at = clock_timestamp()
          from chosen where r.id = chosen.id returning r.id)
      select array_agg(id order by id), count(*) into ids, seated from moved;
      if seated > 0 then perform event.note_changes(ids, array_fill('waitlisted'::text, array[seated]), 'promoted', null, ''); end if;
    end if;
  end if;
  if freed > 0 or seated > 0 then
    update event.occurrence set taken = taken - freed + seated, waiting = waiting - seated where id = o.id;
  end if;
  return freed + seated;
end
$function$;

CREATE OR REPLACE FUNCTION event.spell(words text)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN translate(lower(words), 'абвгдеёжзийклмнопрстуфхцчшщыэюяьъ'::text, 'abvgdeejziiklmnoprstufhcqwwyeua'::text);

CREATE OR REPLACE FUNCTION file.blob_access(blob uuid, caller uuid, caller_roles text[])
 RETURNS text
 LANGUAGE sql
 STABLE
AS $function$
  select 'private' from file.file f where f.blob_id = blob and file.can_read(f, caller, caller_roles) limit 1
$function$;

CREATE OR REPLACE FUNCTION file.can_read(f file.file, caller uuid, caller_roles text[])
 RETURNS boolean
 LANGUAGE sql
 STABLE
AS $function$
  select not exists (select from account."user" u where u.id = f.owner_id and u.deleted_at is not null) and (
    f.visibility = 'public' or f.owner_id = caller or 'admin' = any (caller_roles)
    or exists (select from file.reader_user r where r.file_id = f.id and r.user_id = caller)
    or exists (select from file.reader_role r where r.file_id = f.id and r.role = any (caller_roles)))
$function$;

CREATE OR REPLACE FUNCTION image.can_edit_album(a image.album, caller uuid, caller_roles text[])
 RETURNS boolean
 LANGUAGE sql
 STABLE
AS $function$
  select coalesce(image.role_of(a, caller, caller_roles) = 'editor', false)
$function$;

CREATE OR REPLACE FUNCTION image.can_view(i image.image, caller uuid, caller_roles text[], share uuid)
 RETURNS boolean
 LANGUAGE sql
 STABLE
AS $function$
  select not exists (select from account."user" u where u.id = i.owner_id and u.deleted_at is not null)
    and not exists (select from blob.blocked x where x.sha256 = i.sha256)
    and (
      i.owner_id = caller or 'admin' = any (caller_roles)
      or (i.state = 'ready' and (
        i.visibility in ('unlisted', 'public')
        or exists (select from image.reader_user r where r.image_id = i.id and r.user_id = caller)
        or exists (select from image.reader_role r where r.image_id = i.id and r.role = any (caller_roles))
        or exists (select from image.reader_organization r join organization.member m on m.organization_id = r.organization_id
          join organization.organization o on o.id = r.organization_id and o.deleted_at is null where r.image_id = i.id and m.user_id = caller)
        or (i.visibility = 'album' and exists (select from image.album a where a.id = i.album_id and image.can_view_album(a, caller, caller_roles, share))))))
$function$;

CREATE OR REPLACE FUNCTION image.can_view_album(a image.album, caller uuid, caller_roles text[], share uuid)
 RETURNS boolean
 LANGUAGE sql
 STABLE
AS $function$
  select case image.role_of(a, caller, caller_roles)
      when 'editor' then true
      when 'contributor' then true
      when 'member' then true
      when 'reader' then a.visibility in ('unlisted', 'public') or (a.visibility = 'page' and num_nonnulls(a.pack_id, a.event_id, a.organization_id) > 0)
      else false
    end
    or (exists (select from image.share s where s.id = share and s.album_id = a.id and s.revoked_at is null and (s.expires_at is null or s.expires_at > now()))
      and image.role_of(a, a.owner_id, '{admin}') is not null)
$function$;

CREATE OR REPLACE FUNCTION image.role_of(a image.album, caller uuid, caller_roles text[])
 RETURNS text
 LANGUAGE sql
 STABLE
AS $function$
  select case
    when a.pack_id is not null then (
      select case when pack.role_of(p, caller, caller_roles) in ('owner', 'maintainer') then 'editor'
          when pack.role_of(p, caller, caller_roles) is not null then 'member' else 'reader' end
        from pack.pack p where p.id = a.pack_id and pack.can_read(p, caller, caller_roles))
    when a.event_id is not null then (
      select case when event.role_of(e, caller, caller_roles) is not null then 'editor'
          when a.visibility <> 'private' and exists (select from event.registration r join event.occurrence o on o.id = r.occurrence_id
            where o.event_id = e.id and r.user_id = caller and r.state in ('confirmed', 'checked-in')) then 'contributor' else 'reader' end
        from event.event e where e.id = a.event_id and event.can_read(e, caller, caller_roles))
    when a.organization_id is not null then (
      select case when organization.role_of(o.id, caller, caller_roles) in ('owner', 'manager') then 'editor'
          when organization.role_of(o.id, caller, caller_roles) is not null then 'contributor' else 'reader' end
        from organization.organization o where o.id = a.organization_id and organization.can_read(o, caller, caller_roles))
    when exists (select from account."user" u where u.id = a.owner_id and u.deleted_at is not null) then null
    when a.owner_id = caller or 'admin' = any (caller_roles) then 'editor'
    else 'reader'
  end
$function$;

CREATE OR REPLACE FUNCTION notification.may_tell(n notification.notification, u account."user")
 RETURNS boolean
 LANGUAGE sql
 STABLE
AS $function$
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
$function$;

CREATE OR REPLACE FUNCTION notification.may_tell_organization(n notification.notification, organization uuid)
 RETURNS boolean
 LANGUAGE sql
 STABLE
AS $function$
  select exists (select from organization.organization o where o.id = organization and o.deleted_at is null)
    and (n.pack_id is null or exists (select from pack.pack p where p.id = n.pack_id and p.organization_id = organization and p.deleted_at is null))
    and (n.event_id is null or exists (select from event.event e where e.id = n.event_id and e.organization_id = organization))
$function$;

CREATE OR REPLACE FUNCTION organization.can_read(o organization.organization, caller uuid, caller_roles text[])
 RETURNS boolean
 LANGUAGE sql
 STABLE
AS $function$
  select o.deleted_at is null and (o.visibility <> 'private' or organization.role_of(o.id, caller, caller_roles) is not null)
$function$;

CREATE OR REPLACE FUNCTION organization.role_of(organization uuid, caller uuid, caller_roles text[])
 RETURNS text
 LANGUAGE sql
 STABLE
AS $function$
  select case
    when caller is null or organization is null then null
    when not exists (select from organization.organization o where o.id = organization and o.deleted_at is null) then null
    when 'admin' = any (caller_roles) then 'owner'
    else (select m.role from organization.member m where m.organization_id = organization and m.user_id = caller)
  end
$function$;

CREATE OR REPLACE FUNCTION pack.blob_access(blob uuid, caller uuid, caller_roles text[])
 RETURNS text
 LANGUAGE sql
 STABLE
AS $function$
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
$function$;

CREATE OR REPLACE FUNCTION pack.can_read(p pack.pack, caller uuid, caller_roles text[])
 RETURNS boolean
 LANGUAGE sql
 STABLE
AS $function$
  select p.deleted_at is null
    and (p.organization_id is not null or not exists (select from account."user" u where u.id = p.owner_id and u.deleted_at is not null))
    and (p.visibility <> 'private'
      or pack.role_of(p, caller, caller_roles) is not null
      or exists (select from pack.reader_user r where r.pack_id = p.id and r.user_id = caller)
      or exists (select from pack.reader_role r where r.pack_id = p.id and r.role = any (caller_roles))
      or exists (select from pack.reader_organization r join organization.member m on m.organization_id = r.organization_id
        join organization.organization o on o.id = r.organization_id and o.deleted_at is null where r.pack_id = p.id and m.user_id = caller))
$function$;

CREATE OR REPLACE FUNCTION pack.role_of(p pack.pack, caller uuid, caller_roles text[])
 RETURNS text
 LANGUAGE sql
 STABLE
AS $function$
  select case
    when caller is null then null
    when 'admin' = any (caller_roles) or (p.organization_id is null and p.owner_id = caller) then 'owner'
    else coalesce(
      case organization.role_of(p.organization_id, caller, caller_roles) when 'owner' then 'owner' when 'manager' then 'owner' end,
      (select m.role from pack.member m where m.pack_id = p.id and m.user_id = caller),
      case organization.role_of(p.organization_id, caller, caller_roles) when 'member' then 'publisher' end)
  end
$function$;

CREATE OR REPLACE FUNCTION pack.short_id(id uuid)
 RETURNS bigint
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE STRICT
AS $function$
  select ('x' || right(id::text, 12))::bit(48)::bigint & 140737488355327
$function$;

CREATE OR REPLACE FUNCTION public.gin_extract_query_trgm(text, internal, smallint, internal, internal, internal, internal)
 RETURNS internal
 LANGUAGE c
 IMMUTABLE PARALLEL SAFE STRICT
AS '$libdir/pg_trgm', $function$gin_extract_query_trgm$function$;

CREATE OR REPLACE FUNCTION public.gin_extract_value_trgm(text, internal)
 RETURNS internal
 LANGUAGE c
 IMMUTABLE PARALLEL SAFE STRICT
AS '$libdir/pg_trgm', $function$gin_extract_value_trgm$function$;

CREATE OR REPLACE FUNCTION public.gin_trgm_consistent(internal, smallint, text, integer, internal, internal, internal, internal)
 RETURNS boolean
 LANGUAGE c
 IMMUTABLE PARALLEL SAFE STRICT
AS '$libdir/pg_trgm', $function$gin_trgm_consistent$function$;

CREATE OR REPLACE FUNCTION public.gin_trgm_triconsistent(internal, smallint, text, integer, internal, internal, internal)
 RETURNS "char"
 LANGUAGE c
 IMMUTABLE PARALLEL SAFE STRICT
AS '$libdir/pg_trgm', $function$gin_trgm_triconsistent$function$;

CREATE OR REPLACE FUNCTION public.gtrgm_compress(internal)
 RETURNS internal
 LANGUAGE c
 IMMUTABLE PARALLEL SAFE STRICT
AS '$libdir/pg_trgm', $function$gtrgm_compress$function$;

CREATE OR REPLACE FUNCTION public.gtrgm_consistent(internal, text, smallint, oid, internal)
 RETURNS boolean
 LANGUAGE c
 IMMUTABLE PARALLEL SAFE STRICT
AS '$libdir/pg_trgm', $function$gtrgm_consistent$function$;

CREATE OR REPLACE FUNCTION public.gtrgm_decompress(internal)
 RETURNS internal
 LANGUAGE c
 IMMUTABLE PARALLEL SAFE STRICT
AS '$libdir/pg_trgm', $function$gtrgm_decompress$function$;

CREATE OR REPLACE FUNCTION public.gtrgm_distance(internal, text, smallint, oid, internal)
 RETURNS double precision
 LANGUAGE c
 IMMUTABLE PARALLEL SAFE STRICT
AS '$libdir/pg_trgm', $function$gtrgm_distance$function$;

CREATE OR REPLACE FUNCTION public.gtrgm_in(cstring)
 RETURNS gtrgm
 LANGUAGE c
 IMMUTABLE PARALLEL SAFE STRICT
AS '$libdir/pg_trgm', $function$gtrgm_in$function$;

CREATE OR REPLACE FUNCTION public.gtrgm_options(internal)
 RETURNS void
 LANGUAGE c
 IMMUTABLE PARALLEL SAFE
AS '$libdir/pg_trgm', $function$gtrgm_options$function$;

CREATE OR REPLACE FUNCTION public.gtrgm_out(gtrgm)
 RETURNS cstring
 LANGUAGE c
 IMMUTABLE PARALLEL SAFE STRICT
AS '$libdir/pg_trgm', $function$gtrgm_out$function$;

CREATE OR REPLACE FUNCTION public.gtrgm_penalty(internal, internal, internal)
 RETURNS internal
 LANGUAGE c
 IMMUTABLE PARALLEL SAFE STRICT
AS '$libdir/pg_trgm', $function$gtrgm_penalty$function$;

CREATE OR REPLACE FUNCTION public.gtrgm_picksplit(internal, internal)
 RETURNS internal
 LANGUAGE c
 IMMUTABLE PARALLEL SAFE STRICT
AS '$libdir/pg_trgm', $function$gtrgm_picksplit$function$;

CREATE OR REPLACE FUNCTION public.gtrgm_same(gtrgm, gtrgm, internal)
 RETURNS internal
 LANGUAGE c
 IMMUTABLE PARALLEL SAFE STRICT
AS '$libdir/pg_trgm', $function$gtrgm_same$function$;

CREATE OR REPLACE FUNCTION public.gtrgm_union(internal, internal)
 RETURNS gtrgm
 LANGUAGE c
 IMMUTABLE PARALLEL SAFE STRICT
AS '$libdir/pg_trgm', $function$gtrgm_union$function$;

CREATE OR REPLACE FUNCTION public.set_limit(real)
 RETURNS real
 LANGUAGE c
 STRICT
AS '$libdir/pg_trgm', $function$set_limit$function$;

CREATE OR REPLACE FUNCTION public.show_limit()
 RETURNS real
 LANGUAGE c
 STABLE PARALLEL SAFE STRICT
AS '$libdir/pg_trgm', $function$show_limit$function$;

CREATE OR REPLACE FUNCTION public.show_trgm(text)
 RETURNS text[]
 LANGUAGE c
 IMMUTABLE PARALLEL SAFE STRICT
AS '$libdir/pg_trgm', $function$show_trgm$function$;

CREATE OR REPLACE FUNCTION public.similarity(text, text)
 RETURNS real
 LANGUAGE c
 IMMUTABLE PARALLEL SAFE STRICT
AS '$libdir/pg_trgm', $function$similarity$function$;

CREATE OR REPLACE FUNCTION public.similarity_dist(text, text)
 RETURNS real
 LANGUAGE c
 IMMUTABLE PARALLEL SAFE STRICT
AS '$libdir/pg_trgm', $function$similarity_dist$function$;

CREATE OR REPLACE FUNCTION public.similarity_op(text, text)
 RETURNS boolean
 LANGUAGE c
 STABLE PARALLEL SAFE STRICT
AS '$libdir/pg_trgm', $function$similarity_op$function$;

CREATE OR REPLACE FUNCTION public.strict_word_similarity(text, text)
 RETURNS real
 LANGUAGE c
 IMMUTABLE PARALLEL SAFE STRICT
AS '$libdir/pg_trgm', $function$strict_word_similarity$function$;

CREATE OR REPLACE FUNCTION public.strict_word_similarity_commutator_op(text, text)
 RETURNS boolean
 LANGUAGE c
 STABLE PARALLEL SAFE STRICT
AS '$libdir/pg_trgm', $function$strict_word_similarity_commutator_op$function$;

CREATE OR REPLACE FUNCTION public.strict_word_similarity_dist_commutator_op(text, text)
 RETURNS real
 LANGUAGE c
 IMMUTABLE PARALLEL SAFE STRICT
AS '$libdir/pg_trgm', $function$strict_word_similarity_dist_commutator_op$function$;

CREATE OR REPLACE FUNCTION public.strict_word_similarity_dist_op(text, text)
 RETURNS real
 LANGUAGE c
 IMMUTABLE PARALLEL SAFE STRICT
AS '$libdir/pg_trgm', $function$strict_word_similarity_dist_op$function$;

CREATE OR REPLACE FUNCTION public.strict_word_similarity_op(text, text)
 RETURNS boolean
 LANGUAGE c
 STABLE PARALLEL SAFE STRICT
AS '$libdir/pg_trgm', $function$strict_word_similarity_op$function$;

CREATE OR REPLACE FUNCTION public.word_similarity(text, text)
 RETURNS real
 LANGUAGE c
 IMMUTABLE PARALLEL SAFE STRICT
AS '$libdir/pg_trgm', $function$word_similarity$function$;

CREATE OR REPLACE FUNCTION public.word_similarity_commutator_op(text, text)
 RETURNS boolean
 LANGUAGE c
 STABLE PARALLEL SAFE STRICT
AS '$libdir/pg_trgm', $function$word_similarity_commutator_op$function$;

CREATE OR REPLACE FUNCTION public.word_similarity_dist_commutator_op(text, text)
 RETURNS real
 LANGUAGE c
 IMMUTABLE PARALLEL SAFE STRICT
AS '$libdir/pg_trgm', $function$word_similarity_dist_commutator_op$function$;

CREATE OR REPLACE FUNCTION public.word_similarity_dist_op(text, text)
 RETURNS real
 LANGUAGE c
 IMMUTABLE PARALLEL SAFE STRICT
AS '$libdir/pg_trgm', $function$word_similarity_dist_op$function$;

CREATE OR REPLACE FUNCTION public.word_similarity_op(text, text)
 RETURNS boolean
 LANGUAGE c
 STABLE PARALLEL SAFE STRICT
AS '$libdir/pg_trgm', $function$word_similarity_op$function$;
