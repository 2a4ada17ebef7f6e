-- Made from the catalogue by `npm run db:dump`; do not edit. The tests compare it with the migrations.

create table account (
  id uuid not null,
  role text not null,
  locale text not null,
  generation bigint not null default 1,
  data_key bytea not null,
  sealed_name bytea not null,
  created_at timestamp with time zone not null,
  delete_after timestamp with time zone,
  constraint account_pkey PRIMARY KEY (id),
  constraint account_generation_check CHECK (generation >= 1),
  constraint account_role_check CHECK (role = ANY (ARRAY['viewer'::text, 'operator'::text]))
);
CREATE INDEX account_by_creation ON public.account USING btree (created_at, id);
CREATE INDEX account_operators ON public.account USING btree (id) WHERE (role = 'operator'::text);
CREATE INDEX account_to_delete ON public.account USING btree (delete_after) WHERE (delete_after IS NOT NULL);

create table account_address (
  account_id uuid not null,
  id uuid not null,
  sealed bytea not null,
  blind_index bytea not null,
  epoch bigint not null,
  confirmed_at timestamp with time zone not null,
  founding boolean not null default false,
  confirmed_epoch bigint not null default 0,
  doubted_at timestamp with time zone,
  used_first boolean not null default false,
  former_index bytea,
  constraint account_address_pkey PRIMARY KEY (account_id, id),
  constraint account_address_account_id_fkey FOREIGN KEY (account_id) REFERENCES account(id)
);

create table account_change (
  account_id uuid not null,
  id uuid not null,
  kind text not null,
  subject uuid,
  undo_digest bytea,
  epoch bigint not null,
  made_at timestamp with time zone not null,
  undo_until timestamp with time zone not null,
  undone_at timestamp with time zone,
  other_digests bytea[] not null default '{}'::bytea[],
  other_addresses uuid[] not null default '{}'::uuid[],
  constraint account_change_pkey PRIMARY KEY (account_id, id),
  constraint account_change_check CHECK (cardinality(other_digests) = cardinality(other_addresses)),
  constraint account_change_undo_digest_check CHECK (octet_length(undo_digest) = 32)
);
CREATE INDEX account_change_by_end ON public.account_change USING btree (undo_until);

create table added_since (
  epoch bigint not null,
  since timestamp with time zone not null,
  operators uuid[],
  constraint added_since_pkey PRIMARY KEY (epoch)
);

create table address (
  blind_index bytea not null,
  account_id uuid not null,
  constraint address_pkey PRIMARY KEY (blind_index),
  constraint address_blind_index_check CHECK (octet_length(blind_index) = ANY (ARRAY[32, 36]))
);

create table address_bounce (
  account_id uuid not null,
  address_id uuid not null,
  status text not null,
  at timestamp with time zone not null,
  constraint address_bounce_pkey PRIMARY KEY (account_id, address_id)
);

create table address_claim (
  account_id uuid not null,
  id uuid not null,
  address_index bytea not null,
  sealed bytea not null,
  code_mac bytea not null,
  epoch bigint not null,
  tries integer not null default 0,
  created_at timestamp with time zone not null,
  expires_at timestamp with time zone not null,
  used_at timestamp with time zone,
  constraint address_claim_pkey PRIMARY KEY (account_id, id)
);
CREATE INDEX address_claim_by_expiry ON public.address_claim USING btree (expires_at);

create table alarm (
  id uuid not null,
  kind text not null,
  about text not null,
  place text,
  title text not null,
  evidence text not null,
  not_evidence text not null,
  facts jsonb not null,
  found_how text not null,
  copied_after timestamp with time zone,
  data_classes text[] not null,
  keys_reachable text not null,
  at timestamp with time zone not null,
  last_at timestamp with time zone not null,
  times bigint not null default 1,
  told_at timestamp with time zone not null,
  told_times bigint not null default 1,
  acknowledged_at timestamp with time zone,
  acknowledged_by text,
  incident_id uuid,
  constraint alarm_pkey PRIMARY KEY (id),
  constraint alarm_incident_id_fkey FOREIGN KEY (incident_id) REFERENCES incident(id),
  constraint alarm_about_check CHECK (octet_length(about) <= 300),
  constraint alarm_check CHECK ((acknowledged_at IS NULL) = (acknowledged_by IS NULL)),
  constraint alarm_keys_reachable_check CHECK (keys_reachable = ANY (ARRAY['no'::text, 'unknown'::text, 'yes'::text])),
  constraint alarm_kind_check CHECK (kind = ANY (ARRAY['copy detected'::text, 'timeline contradicted'::text, 'canary'::text, 'honeyword'::text, 'key use'::text, 'stuffing'::text, 'test'::text])),
  constraint alarm_place_check CHECK (place ~ '^[a-z0-9][a-z0-9._-]{0,62}$'::text),
  constraint alarm_times_check CHECK (times >= 1)
);
CREATE INDEX alarm_newest ON public.alarm USING btree (last_at DESC, id DESC);
CREATE UNIQUE INDEX alarm_one_open ON public.alarm USING btree (about) WHERE (acknowledged_at IS NULL);

create table artwork (
  title_id uuid not null,
  source text not null,
  digest text,
  width integer,
  height integer,
  colour text,
  made_at timestamp with time zone not null,
  constraint artwork_pkey PRIMARY KEY (title_id),
  constraint artwork_title_id_fkey FOREIGN KEY (title_id) REFERENCES title(id),
  constraint artwork_check CHECK ((digest IS NULL) = (width IS NULL) AND (digest IS NULL) = (height IS NULL) AND (digest IS NULL) = (colour IS NULL)),
  constraint artwork_colour_check CHECK (colour ~ '^#[0-9a-f]{6}$'::text),
  constraint artwork_digest_check CHECK (digest ~ '^[0-9a-f]{64}$'::text)
);

create table bounce_report (
  digest bytea not null,
  at timestamp with time zone not null,
  constraint bounce_report_pkey PRIMARY KEY (digest),
  constraint bounce_report_digest_check CHECK (octet_length(digest) = 32)
);
CREATE INDEX bounce_report_by_time ON public.bounce_report USING btree (at);

create table campaign (
  incident_id uuid not null,
  started_at timestamp with time zone not null,
  started_by text not null,
  scope_at timestamp with time zone not null,
  frozen_up_to uuid,
  frozen_at timestamp with time zone,
  index_version integer,
  paused_at timestamp with time zone,
  paused_by text,
  paused_why text,
  data_key bytea,
  sealed_key bytea,
  constraint campaign_pkey PRIMARY KEY (incident_id),
  constraint campaign_incident_id_fkey FOREIGN KEY (incident_id) REFERENCES incident(id),
  constraint campaign_key_is_whole CHECK ((data_key IS NULL) = (sealed_key IS NULL))
);

create table campaign_shard (
  incident_id uuid not null,
  shard integer not null,
  after_id uuid not null,
  up_to_id uuid not null,
  resume_after_id uuid not null,
  walk_id uuid,
  lease_until timestamp with time zone,
  walked_at timestamp with time zone,
  constraint campaign_shard_pkey PRIMARY KEY (incident_id, shard),
  constraint campaign_shard_incident_id_fkey FOREIGN KEY (incident_id) REFERENCES campaign(incident_id)
);

create table campaign_survey (
  incident_id uuid not null,
  asked_at timestamp with time zone not null,
  counted bigint not null default 0,
  done_at timestamp with time zone,
  providers jsonb not null default '[]'::jsonb,
  findings jsonb not null default '[]'::jsonb,
  constraint campaign_survey_pkey PRIMARY KEY (incident_id),
  constraint campaign_survey_incident_id_fkey FOREIGN KEY (incident_id) REFERENCES incident(id)
);

create table canary (
  mark bytea not null,
  place text not null,
  kind text not null,
  seal_id uuid not null,
  data_key bytea not null,
  sealed_address bytea not null,
  planted_on date not null,
  retired_on date,
  recorded boolean not null default false,
  constraint canary_pkey PRIMARY KEY (mark),
  constraint canary_kind_check CHECK (kind = ANY (ARRAY['account'::text, 'address'::text, 'relay'::text, 'decoy'::text])),
  constraint canary_mark_check CHECK (octet_length(mark) >= 32 AND octet_length(mark) <= 64),
  constraint canary_place_check CHECK (place ~ '^[a-z0-9][a-z0-9._-]{0,62}$'::text)
);
CREATE INDEX canary_by_place ON public.canary USING btree (place, kind);

create table file (
  id uuid not null,
  title_id uuid not null,
  path text not null,
  fingerprint text not null,
  size_bytes bigint not null,
  state text not null,
  problem text,
  facts jsonb,
  index jsonb,
  sidecars jsonb not null,
  pictures jsonb not null,
  first_seen_at timestamp with time zone not null,
  inspected_at timestamp with time zone not null,
  constraint file_pkey PRIMARY KEY (id),
  constraint file_path_key UNIQUE (path),
  constraint file_title_id_fkey FOREIGN KEY (title_id) REFERENCES title(id),
  constraint file_check CHECK (state <> 'playable'::text OR facts IS NOT NULL AND index IS NOT NULL),
  constraint file_path_check CHECK (octet_length(path) <= 1024),
  constraint file_state_check CHECK (state = ANY (ARRAY['playable'::text, 'damaged'::text, 'missing'::text]))
);
CREATE INDEX file_by_fingerprint ON public.file USING btree (fingerprint);
CREATE INDEX file_by_state ON public.file USING btree (state);
CREATE INDEX file_damaged ON public.file USING btree (inspected_at DESC) WHERE (state = 'damaged'::text);
CREATE INDEX file_of_title ON public.file USING btree (title_id);

create table floor (
  kind text not null,
  epoch bigint not null,
  raised_at timestamp with time zone,
  constraint floor_pkey PRIMARY KEY (kind),
  constraint floor_epoch_check CHECK (epoch >= 1)
);
CREATE TRIGGER floor_only_rises BEFORE DELETE OR UPDATE ON public.floor FOR EACH ROW EXECUTE FUNCTION floor_only_rises();
CREATE TRIGGER floor_only_rises_whole BEFORE TRUNCATE ON public.floor FOR EACH STATEMENT EXECUTE FUNCTION floor_only_rises();

create table incident (
  id uuid not null,
  reference text not null,
  state text not null,
  reason text not null,
  opened_at timestamp with time zone not null,
  opened_by text not null,
  found_at timestamp with time zone not null,
  found_by text not null,
  found_how text not null,
  copied_at timestamp with time zone,
  data_classes text[] not null,
  keys_reachable text not null,
  scope_accounts uuid[],
  containment text,
  contained_at timestamp with time zone,
  epoch bigint,
  kept_tools boolean,
  way_in_what text,
  way_in_closed_at timestamp with time zone,
  way_in_evidence text,
  notified_at timestamp with time zone,
  scope_count bigint,
  letters_finished_at timestamp with time zone,
  closed_at timestamp with time zone,
  copied_after timestamp with time zone,
  constraint incident_pkey PRIMARY KEY (id),
  constraint incident_reference_key UNIQUE (reference),
  constraint incident_containment_check CHECK (containment = ANY (ARRAY['everyone-out'::text, 'with-renewal'::text, 'account'::text])),
  constraint incident_keys_reachable_check CHECK (keys_reachable = ANY (ARRAY['no'::text, 'unknown'::text, 'yes'::text])),
  constraint incident_state_check CHECK (state = ANY (ARRAY['open'::text, 'contained'::text, 'notifying'::text, 'readmitting'::text, 'closed'::text]))
);
CREATE UNIQUE INDEX incident_one_in_hand ON public.incident USING btree ((true)) WHERE (state <> 'closed'::text);

create table incident_review (
  incident_id uuid not null,
  item text not null,
  state text not null,
  note text not null,
  at timestamp with time zone,
  constraint incident_review_pkey PRIMARY KEY (incident_id, item),
  constraint incident_review_incident_id_fkey FOREIGN KEY (incident_id) REFERENCES incident(id),
  constraint incident_review_state_check CHECK (state = ANY (ARRAY['todo'::text, 'done'::text, 'explained'::text]))
);

create table instance (
  only_row boolean not null,
  id uuid not null,
  constraint instance_pkey PRIMARY KEY (only_row),
  constraint instance_only_row_check CHECK (only_row)
);

create table key_caller (
  caller bytea not null,
  role text not null,
  announced_to bigint not null,
  opened_at timestamp with time zone not null,
  renewed_at timestamp with time zone not null,
  closed_at timestamp with time zone,
  constraint key_caller_pkey PRIMARY KEY (caller),
  constraint key_caller_announced_to_check CHECK (announced_to > 0),
  constraint key_caller_caller_check CHECK (octet_length(caller) = 16)
);

create table key_file (
  only_row boolean not null default true,
  generation bigint not null,
  constraint key_file_pkey PRIMARY KEY (only_row),
  constraint key_file_only_row_check CHECK (only_row)
);

create table key_ledger (
  only_row boolean not null default true,
  ledger text not null,
  totals jsonb not null,
  compared_at timestamp with time zone not null,
  constraint key_ledger_pkey PRIMARY KEY (only_row),
  constraint key_ledger_only_row_check CHECK (only_row)
);

create table key_rewrap (
  table_name text not null,
  column_name text not null,
  purpose text not null,
  to_version integer not null,
  after_key text[],
  rewrapped bigint not null default 0,
  unreadable bigint not null default 0,
  started_at timestamp with time zone not null,
  finished_at timestamp with time zone,
  constraint key_rewrap_pkey PRIMARY KEY (table_name, column_name)
);

create table key_surplus (
  caller bytea not null,
  role text not null,
  purpose text not null,
  surplus bigint not null,
  first_at timestamp with time zone not null,
  last_at timestamp with time zone not null,
  constraint key_surplus_pkey PRIMARY KEY (caller, role, purpose),
  constraint key_surplus_caller_check CHECK (octet_length(caller) = 16),
  constraint key_surplus_surplus_check CHECK (surplus > 0)
);

create table key_use (
  purpose text not null,
  hour timestamp with time zone not null,
  served bigint not null,
  constraint key_use_pkey PRIMARY KEY (purpose, hour),
  constraint key_use_served_check CHECK (served >= 0)
);

create table key_version (
  purpose text not null,
  version integer not null,
  fingerprint bytea not null,
  state text not null,
  made_at timestamp with time zone not null,
  retired_at timestamp with time zone,
  constraint key_version_pkey PRIMARY KEY (purpose, version),
  constraint key_version_fingerprint_check CHECK (octet_length(fingerprint) = 16),
  constraint key_version_state_check CHECK (state = ANY (ARRAY['live'::text, 'closing'::text, 'retired'::text])),
  constraint key_version_version_check CHECK (version >= 1)
);

create table known_network (
  subject bytea not null,
  seen_at timestamp with time zone not null,
  constraint known_network_pkey PRIMARY KEY (subject),
  constraint known_network_subject_check CHECK (octet_length(subject) >= 32 AND octet_length(subject) <= 40)
);
CREATE INDEX known_network_by_time ON public.known_network USING btree (seen_at);

create table letter (
  account_id uuid not null,
  incident_id uuid not null,
  state text not null,
  attempts integer not null default 0,
  possibly_twice boolean not null default false,
  lease_until timestamp with time zone,
  due_at timestamp with time zone,
  reply text,
  queue_id text,
  settled_at timestamp with time zone,
  sent_to uuid,
  bounced_addresses uuid[] not null default '{}'::uuid[],
  deferred_since timestamp with time zone,
  entered_at timestamp with time zone,
  constraint letter_pkey PRIMARY KEY (account_id, incident_id),
  constraint letter_state_check CHECK (state = ANY (ARRAY['unclaimed'::text, 'claimed'::text, 'deferred'::text, 'handed over'::text, 'bounced'::text, 'refused'::text, 'suppressed'::text, 'no address'::text]))
);
CREATE INDEX letter_by_hand_over ON public.letter USING btree (incident_id, settled_at) WHERE (state = 'handed over'::text);
CREATE INDEX letter_by_state ON public.letter USING btree (incident_id, state);
CREATE INDEX letter_to_retry ON public.letter USING btree (incident_id, due_at) WHERE (state = 'deferred'::text);
CREATE INDEX letter_to_walk ON public.letter USING btree (incident_id, account_id) WHERE (state = ANY (ARRAY['unclaimed'::text, 'claimed'::text]));

create table link (
  device_digest bytea not null,
  user_code_index bytea not null,
  class text not null,
  data_key bytea not null,
  label_account_id uuid not null,
  sealed_label bytea not null,
  sealed_network bytea not null,
  state text not null,
  epoch bigint not null,
  account_id uuid,
  generation bigint,
  interval_seconds integer not null,
  last_polled_at timestamp with time zone,
  created_at timestamp with time zone not null,
  expires_at timestamp with time zone not null,
  claimed_at timestamp with time zone,
  constraint link_pkey PRIMARY KEY (device_digest),
  constraint link_check CHECK (state <> 'approved'::text OR account_id IS NOT NULL),
  constraint link_class_check CHECK (class = ANY (ARRAY['tv'::text, 'app'::text, 'tool'::text])),
  constraint link_device_digest_check CHECK (octet_length(device_digest) = 32),
  constraint link_state_check CHECK (state = ANY (ARRAY['pending'::text, 'approved'::text, 'denied'::text]))
);
CREATE INDEX link_by_expiry ON public.link USING btree (expires_at);
CREATE UNIQUE INDEX link_by_user_code ON public.link USING btree (user_code_index) WHERE (state = 'pending'::text);
CREATE INDEX link_of_account ON public.link USING btree (account_id) WHERE ((state = 'approved'::text) AND (claimed_at IS NULL));

create table lobby (
  case_id uuid not null,
  data_key bytea not null,
  sealed_key bytea not null,
  given bigint not null default 0,
  called bigint not null default 0,
  opened_at timestamp with time zone not null,
  constraint lobby_pkey PRIMARY KEY (case_id),
  constraint lobby_check CHECK (called >= 0 AND called <= given)
);

create table lobby_entry (
  case_id uuid not null,
  number bigint not null,
  browser_digest bytea not null,
  entered_at timestamp with time zone not null,
  constraint lobby_entry_pkey PRIMARY KEY (case_id, number),
  constraint lobby_entry_browser_digest_check CHECK (octet_length(browser_digest) = 32)
);
CREATE INDEX lobby_entry_by_instant ON public.lobby_entry USING btree (entered_at);

create table lobby_minute (
  case_id uuid not null,
  minute timestamp with time zone not null,
  given bigint not null default 0,
  called bigint not null default 0,
  entered bigint not null default 0,
  walked_in bigint not null default 0,
  constraint lobby_minute_pkey PRIMARY KEY (case_id, minute)
);
CREATE INDEX lobby_minute_by_instant ON public.lobby_minute USING btree (minute);

create table lobby_network (
  case_id uuid not null,
  window_start timestamp with time zone not null,
  network bytea not null,
  taken integer not null,
  constraint lobby_network_pkey PRIMARY KEY (case_id, window_start, network)
);
CREATE INDEX lobby_network_by_window ON public.lobby_network USING btree (window_start);

create table mailbox_letter (
  id uuid not null,
  at timestamp with time zone not null,
  message_id text not null,
  sealed bytea not null,
  constraint mailbox_letter_pkey PRIMARY KEY (id)
);
CREATE INDEX mailbox_letter_by_time ON public.mailbox_letter USING btree (at);

create table migration (
  number integer not null,
  name text not null,
  hash bytea not null,
  applied_at timestamp with time zone not null default now(),
  constraint migration_pkey PRIMARY KEY (number)
);

create table notice (
  incident_id uuid not null,
  locale text not null,
  subject text not null,
  text text not null,
  html text not null,
  hash bytea not null,
  constraint notice_pkey PRIMARY KEY (incident_id, locale),
  constraint notice_incident_id_fkey FOREIGN KEY (incident_id) REFERENCES incident(id),
  constraint notice_hash_check CHECK (octet_length(hash) = 32)
);

create table operator_link (
  digest bytea not null,
  account_id uuid,
  epoch bigint not null,
  created_at timestamp with time zone not null,
  expires_at timestamp with time zone not null,
  used_at timestamp with time zone,
  constraint operator_link_pkey PRIMARY KEY (digest),
  constraint operator_link_digest_check CHECK (octet_length(digest) = 32)
);

create table passkey (
  account_id uuid not null,
  id uuid not null,
  public_key bytea not null,
  counter bigint not null,
  handle_digest bytea not null,
  sealed_descriptor bytea not null,
  sealed_name bytea not null,
  epoch bigint not null,
  confirmed_epoch bigint not null default 0,
  doubted_at timestamp with time zone,
  counter_back_at timestamp with time zone,
  added_at timestamp with time zone not null,
  last_used_at timestamp with time zone,
  removed_at timestamp with time zone,
  constraint passkey_pkey PRIMARY KEY (account_id, id),
  constraint passkey_counter_check CHECK (counter >= 0),
  constraint passkey_handle_digest_check CHECK (octet_length(handle_digest) = 32),
  constraint passkey_public_key_check CHECK (octet_length(public_key) <= 1024)
);
CREATE INDEX passkey_removed ON public.passkey USING btree (removed_at) WHERE (removed_at IS NOT NULL);

create table passkey_challenge (
  challenge_digest bytea not null,
  browser_digest bytea not null,
  purpose text not null,
  account_id uuid,
  sealed_handle bytea,
  epoch bigint not null,
  created_at timestamp with time zone not null,
  expires_at timestamp with time zone not null,
  used_at timestamp with time zone,
  constraint passkey_challenge_pkey PRIMARY KEY (challenge_digest),
  constraint passkey_challenge_browser_digest_check CHECK (octet_length(browser_digest) = 32),
  constraint passkey_challenge_challenge_digest_check CHECK (octet_length(challenge_digest) = 32),
  constraint passkey_challenge_purpose_check CHECK (purpose = ANY (ARRAY['sign-in'::text, 'prove'::text, 'add'::text]))
);
CREATE INDEX passkey_challenge_by_expiry ON public.passkey_challenge USING btree (expires_at);

create table passkey_way (
  credential_digest bytea not null,
  account_id uuid not null,
  passkey_id uuid not null,
  constraint passkey_way_pkey PRIMARY KEY (credential_digest),
  constraint passkey_way_credential_digest_check CHECK (octet_length(credential_digest) = 32)
);

create table password (
  account_id uuid not null,
  salt bytea not null,
  parameters text not null,
  record bytea not null,
  epoch bigint not null,
  set_at timestamp with time zone not null,
  constraint password_pkey PRIMARY KEY (account_id)
);

create table progress (
  account_id uuid not null,
  title_id uuid not null,
  position_seconds double precision not null,
  duration_seconds double precision not null,
  watched boolean not null,
  updated_at timestamp with time zone not null,
  constraint progress_pkey PRIMARY KEY (account_id, title_id),
  constraint progress_duration_seconds_check CHECK (duration_seconds >= 0::double precision),
  constraint progress_position_seconds_check CHECK (position_seconds >= 0::double precision)
);
CREATE INDEX progress_latest ON public.progress USING btree (account_id, updated_at DESC);

create table recovery (
  account_id uuid not null,
  id uuid not null,
  address_index bytea not null,
  sealed bytea not null,
  without_second_factor boolean not null,
  epoch bigint not null,
  started_at timestamp with time zone not null,
  ready_at timestamp with time zone not null,
  expires_at timestamp with time zone not null,
  constraint recovery_pkey PRIMARY KEY (account_id),
  constraint recovery_check CHECK (ready_at > started_at),
  constraint recovery_check1 CHECK (expires_at > ready_at)
);
CREATE INDEX recovery_by_expiry ON public.recovery USING btree (expires_at);
CREATE INDEX recovery_of_address ON public.recovery USING btree (address_index);

create table recovery_code (
  account_id uuid not null,
  set_id uuid not null,
  ordinal smallint not null,
  mac bytea not null,
  epoch bigint not null,
  confirmed_epoch bigint not null default 0,
  doubted_at timestamp with time zone,
  added_at timestamp with time zone not null,
  used_at timestamp with time zone,
  constraint recovery_code_pkey PRIMARY KEY (account_id, set_id, ordinal),
  constraint recovery_code_mac_check CHECK (octet_length(mac) = 32)
);

create table refusal_count (
  kind text not null,
  hour timestamp with time zone not null,
  node uuid not null,
  refused bigint not null,
  constraint refusal_count_pkey PRIMARY KEY (kind, hour, node)
);

create table refused_password (
  account_id uuid not null,
  salt bytea not null,
  parameters text not null,
  record bytea not null,
  replaced_at timestamp with time zone not null,
  constraint refused_password_pkey PRIMARY KEY (account_id, salt)
);
CREATE INDEX refused_password_in_order ON public.refused_password USING btree (replaced_at);

create table removed_address (
  account_id uuid not null,
  id uuid not null,
  sealed bytea not null,
  epoch bigint not null,
  confirmed_at timestamp with time zone not null,
  founding boolean not null,
  confirmed_epoch bigint not null,
  doubted_at timestamp with time zone,
  removed_at timestamp with time zone not null,
  constraint removed_address_pkey PRIMARY KEY (account_id, id)
);
CREATE INDEX removed_address_by_removal ON public.removed_address USING btree (removed_at);

create table scan (
  id uuid not null,
  started_at timestamp with time zone not null,
  finished_at timestamp with time zone,
  counts jsonb not null,
  inspecting text[] not null default '{}'::text[],
  to_inspect integer not null default 0,
  constraint scan_pkey PRIMARY KEY (id)
);
CREATE INDEX scan_newest ON public.scan USING btree (started_at DESC);

create table scrub (
  file_id uuid not null,
  fingerprint text not null,
  state text not null,
  tries integer not null,
  tried_at timestamp with time zone not null,
  problem text,
  away_since timestamp with time zone,
  constraint scrub_pkey PRIMARY KEY (file_id),
  constraint scrub_file_id_fkey FOREIGN KEY (file_id) REFERENCES file(id),
  constraint scrub_check CHECK ((state = 'failed'::text) = (problem IS NOT NULL)),
  constraint scrub_state_check CHECK (state = ANY (ARRAY['making'::text, 'made'::text, 'failed'::text])),
  constraint scrub_tries_check CHECK (tries > 0)
);
CREATE INDEX scrub_failed ON public.scrub USING btree (tried_at DESC) WHERE (state = 'failed'::text);

create table security_event (
  account_id uuid not null,
  id uuid not null,
  kind text not null,
  at timestamp with time zone not null,
  sealed_detail bytea,
  constraint security_event_pkey PRIMARY KEY (account_id, id)
);
CREATE INDEX security_event_by_instant ON public.security_event USING btree (at);

create table series (
  id uuid not null,
  identity bytea not null,
  name text not null,
  year integer,
  added_at timestamp with time zone not null,
  constraint series_pkey PRIMARY KEY (id),
  constraint series_identity_key UNIQUE (identity),
  constraint series_identity_check CHECK (octet_length(identity) = 32)
);

create table session (
  account_id uuid not null,
  id uuid not null,
  digest bytea not null,
  class text not null,
  epoch bigint not null,
  generation bigint not null,
  sealed_label bytea not null,
  sealed_network bytea not null,
  created_at timestamp with time zone not null,
  proved_at timestamp with time zone not null,
  last_seen_at timestamp with time zone not null,
  expires_at timestamp with time zone not null,
  ended_at timestamp with time zone,
  proof text not null default 'linked'::text,
  strongly_proved_at timestamp with time zone,
  constraint session_pkey PRIMARY KEY (account_id, id),
  constraint session_class_check CHECK (class = ANY (ARRAY['browser'::text, 'tv'::text, 'app'::text, 'tool'::text])),
  constraint session_digest_check CHECK (octet_length(digest) = 32),
  constraint session_proof_check CHECK (proof = ANY (ARRAY['linked'::text, 'password'::text, 'passkey'::text, 'password+totp'::text, 'host'::text]))
);
CREATE INDEX session_by_end ON public.session USING btree (ended_at) WHERE (ended_at IS NOT NULL);
CREATE INDEX session_by_expiry ON public.session USING btree (expires_at);

create table sign_in_step (
  account_id uuid not null,
  id uuid not null,
  digest bytea not null,
  class text not null,
  sealed_label bytea not null,
  sealed_network bytea not null,
  sealed_event bytea,
  epoch bigint not null,
  generation bigint not null,
  password_set_at timestamp with time zone not null,
  tries integer not null default 0,
  created_at timestamp with time zone not null,
  expires_at timestamp with time zone not null,
  used_at timestamp with time zone,
  constraint sign_in_step_pkey PRIMARY KEY (account_id, id),
  constraint sign_in_step_class_check CHECK (class = ANY (ARRAY['browser'::text, 'tv'::text, 'app'::text, 'tool'::text])),
  constraint sign_in_step_digest_check CHECK (octet_length(digest) = 32)
);
CREATE INDEX sign_in_step_by_expiry ON public.sign_in_step USING btree (expires_at);

create table sign_in_window (
  window_start timestamp with time zone not null,
  tried bigint not null default 0,
  failed bigint not null default 0,
  unknown bigint not null default 0,
  networks bigint not null default 0,
  judged boolean not null default false,
  constraint sign_in_window_pkey PRIMARY KEY (window_start)
);

create table sign_up (
  browser_digest bytea not null,
  account_id uuid not null,
  address_index bytea not null,
  data_key bytea not null,
  sealed_address bytea not null,
  sealed_name bytea not null,
  locale text not null,
  salt bytea not null,
  parameters text not null,
  record bytea not null,
  code_mac bytea not null,
  epoch bigint not null,
  tries integer not null default 0,
  created_at timestamp with time zone not null,
  expires_at timestamp with time zone not null,
  used_at timestamp with time zone,
  constraint sign_up_pkey PRIMARY KEY (browser_digest),
  constraint sign_up_browser_digest_check CHECK (octet_length(browser_digest) = 32)
);
CREATE INDEX sign_up_by_expiry ON public.sign_up USING btree (expires_at);
CREATE INDEX sign_up_of_account ON public.sign_up USING btree (account_id);

create table signal (
  account_id uuid not null,
  id uuid not null,
  kind text not null,
  cause text not null,
  at timestamp with time zone not null,
  constraint signal_pkey PRIMARY KEY (account_id, id)
);
CREATE INDEX signal_in_order ON public.signal USING btree (id);

create table signal_delivery (
  stream_id uuid not null,
  id uuid not null,
  account_id uuid,
  kind text not null,
  cause text not null,
  at timestamp with time zone not null,
  txn uuid not null,
  fan_out_id uuid,
  sealed bytea,
  made_at timestamp with time zone not null,
  attempts integer not null default 0,
  due_at timestamp with time zone not null,
  constraint signal_delivery_pkey PRIMARY KEY (stream_id, id)
);
CREATE INDEX signal_delivery_by_age ON public.signal_delivery USING btree (made_at);
CREATE INDEX signal_delivery_due ON public.signal_delivery USING btree (stream_id, due_at, id);
CREATE INDEX signal_delivery_of_fan_out ON public.signal_delivery USING btree (fan_out_id, stream_id) WHERE (fan_out_id IS NOT NULL);

create table signal_fan_out (
  id uuid not null,
  incident_id uuid,
  kinds text[] not null,
  at timestamp with time zone not null,
  begun_at timestamp with time zone,
  cause text not null,
  constraint signal_fan_out_pkey PRIMARY KEY (id)
);
CREATE INDEX signal_fan_out_of_incident ON public.signal_fan_out USING btree (incident_id);

create table signal_fan_out_stream (
  fan_out_id uuid not null,
  stream_id uuid not null,
  after_account uuid not null default '00000000-0000-0000-0000-000000000000'::uuid,
  accounts bigint not null default 0,
  made bigint not null default 0,
  refused bigint not null default 0,
  dropped bigint not null default 0,
  finished_at timestamp with time zone,
  constraint signal_fan_out_stream_pkey PRIMARY KEY (fan_out_id, stream_id)
);

create table signal_receiver (
  id uuid not null,
  name text not null,
  audience text not null,
  token_digest bytea not null,
  token_expires_at timestamp with time zone not null,
  data_key bytea not null,
  addresses_because text,
  push_origin text,
  private_network boolean not null,
  made_at timestamp with time zone not null,
  constraint signal_receiver_pkey PRIMARY KEY (id),
  constraint signal_receiver_audience_key UNIQUE (audience),
  constraint signal_receiver_token_digest_key UNIQUE (token_digest)
);

create table signal_stream (
  id uuid not null,
  receiver_id uuid not null,
  method text not null,
  subject_format text not null,
  events_requested text[] not null,
  kinds text[] not null,
  description text,
  sealed_endpoint bytea,
  sealed_authorization bytea,
  status text not null,
  status_reason text,
  made_at timestamp with time zone not null,
  verify_from timestamp with time zone not null,
  taken_at timestamp with time zone not null,
  failures integer not null default 0,
  due_at timestamp with time zone,
  lease_until timestamp with time zone,
  taken bigint not null default 0,
  refused bigint not null default 0,
  dropped bigint not null default 0,
  constraint signal_stream_pkey PRIMARY KEY (id),
  constraint push_has_endpoint CHECK ((method = 'push'::text) = (sealed_endpoint IS NOT NULL)),
  constraint signal_stream_method_check CHECK (method = ANY (ARRAY['push'::text, 'poll'::text])),
  constraint signal_stream_status_check CHECK (status = ANY (ARRAY['enabled'::text, 'paused'::text, 'disabled'::text])),
  constraint signal_stream_subject_format_check CHECK (subject_format = ANY (ARRAY['iss_sub'::text, 'opaque'::text, 'email'::text]))
);
CREATE INDEX signal_stream_of_receiver ON public.signal_stream USING btree (receiver_id);

create table signal_subject (
  account_id uuid not null,
  stream_id uuid not null,
  state text not null,
  sealed_address bytea,
  constraint signal_subject_pkey PRIMARY KEY (account_id, stream_id),
  constraint signal_subject_state_check CHECK (state = ANY (ARRAY['added'::text, 'removed'::text]))
);
CREATE INDEX signal_subject_of_stream ON public.signal_subject USING btree (stream_id, account_id);

create table throttle (
  subject bytea not null,
  purpose text not null,
  window_start timestamp with time zone not null,
  used integer not null,
  constraint throttle_pkey PRIMARY KEY (subject, purpose, window_start)
);
CREATE INDEX throttle_by_window ON public.throttle USING btree (window_start);

create table ticket (
  browser_digest bytea not null,
  account_id uuid,
  address_index bytea not null,
  code_mac bytea not null,
  epoch bigint not null,
  tries integer not null default 0,
  created_at timestamp with time zone not null,
  expires_at timestamp with time zone not null,
  used_at timestamp with time zone,
  recovery_id uuid,
  proved_at timestamp with time zone,
  address_id uuid,
  constraint ticket_pkey PRIMARY KEY (browser_digest),
  constraint ticket_browser_digest_check CHECK (octet_length(browser_digest) = 32)
);
CREATE INDEX ticket_by_expiry ON public.ticket USING btree (expires_at);
CREATE INDEX ticket_of_account ON public.ticket USING btree (account_id) WHERE (used_at IS NULL);

create table timeline_checkpoint (
  size bigint not null,
  root bytea not null,
  frontier bytea[] not null,
  note text,
  at timestamp with time zone not null,
  constraint timeline_checkpoint_pkey PRIMARY KEY (size)
);
CREATE INDEX timeline_checkpoint_unsigned ON public.timeline_checkpoint USING btree (size) WHERE (note IS NULL);
CREATE TRIGGER timeline_only_grows BEFORE DELETE OR UPDATE ON public.timeline_checkpoint FOR EACH ROW EXECUTE FUNCTION timeline_only_grows();
CREATE TRIGGER timeline_only_grows_whole BEFORE TRUNCATE ON public.timeline_checkpoint FOR EACH STATEMENT EXECUTE FUNCTION timeline_only_grows();

create table timeline_cosignature (
  size bigint not null,
  key text not null,
  line text not null,
  at timestamp with time zone not null,
  constraint timeline_cosignature_pkey PRIMARY KEY (size, key)
);

create table timeline_entry (
  id uuid not null,
  at timestamp with time zone not null,
  kind text not null,
  incident_id uuid,
  body bytea not null,
  leaf_index bigint,
  leaf_hash bytea,
  constraint timeline_entry_pkey PRIMARY KEY (id),
  constraint timeline_entry_leaf_index_key UNIQUE (leaf_index),
  constraint timeline_entry_body_check CHECK (octet_length(body) <= 65535),
  constraint timeline_entry_check CHECK ((leaf_index IS NULL) = (leaf_hash IS NULL))
);
CREATE INDEX timeline_entry_acts ON public.timeline_entry USING btree (incident_id, id) WHERE ((incident_id IS NOT NULL) AND (kind <> ALL (ARRAY['letter'::text, 'bounce'::text])));
CREATE INDEX timeline_entry_by_kind ON public.timeline_entry USING btree (kind, at);
CREATE INDEX timeline_entry_of_incident ON public.timeline_entry USING btree (incident_id, at) WHERE (incident_id IS NOT NULL);
CREATE INDEX timeline_entry_waiting ON public.timeline_entry USING btree (id) WHERE (leaf_index IS NULL);
CREATE TRIGGER timeline_only_grows BEFORE DELETE ON public.timeline_entry FOR EACH ROW EXECUTE FUNCTION timeline_only_grows();
CREATE TRIGGER timeline_only_grows_whole BEFORE TRUNCATE ON public.timeline_entry FOR EACH STATEMENT EXECUTE FUNCTION timeline_only_grows();
CREATE TRIGGER timeline_places_only BEFORE UPDATE ON public.timeline_entry FOR EACH ROW WHEN (((old.leaf_index IS NOT NULL) OR ((((new.id IS DISTINCT FROM old.id) OR (new.at IS DISTINCT FROM old.at)) OR (new.kind IS DISTINCT FROM old.kind)) OR (new.body IS DISTINCT FROM old.body)) OR (new.incident_id IS DISTINCT FROM old.incident_id))) EXECUTE FUNCTION timeline_only_grows();

create table timeline_node (
  level smallint not null,
  place bigint not null,
  hash bytea not null,
  constraint timeline_node_pkey PRIMARY KEY (level, place)
);
CREATE TRIGGER timeline_only_grows BEFORE DELETE OR UPDATE ON public.timeline_node FOR EACH ROW EXECUTE FUNCTION timeline_only_grows();
CREATE TRIGGER timeline_only_grows_whole BEFORE TRUNCATE ON public.timeline_node FOR EACH STATEMENT EXECUTE FUNCTION timeline_only_grows();

create table timeline_witness (
  key text not null,
  size bigint not null,
  cosigned_at timestamp with time zone,
  failing_since timestamp with time zone,
  problem text,
  constraint timeline_witness_pkey PRIMARY KEY (key),
  constraint timeline_witness_check CHECK ((failing_since IS NULL) = (problem IS NULL))
);

create table title (
  id uuid not null,
  kind text not null,
  identity bytea not null,
  name text not null,
  year integer,
  series_id uuid,
  season integer,
  episode integer,
  last_episode integer,
  search_text text not null,
  sort_key text not null,
  added_at timestamp with time zone not null,
  visible boolean not null,
  constraint title_pkey PRIMARY KEY (id),
  constraint title_identity_key UNIQUE (identity),
  constraint title_series_id_fkey FOREIGN KEY (series_id) REFERENCES series(id),
  constraint title_check CHECK ((kind = 'episode'::text) = (series_id IS NOT NULL AND season IS NOT NULL AND episode IS NOT NULL AND last_episode IS NOT NULL)),
  constraint title_identity_check CHECK (octet_length(identity) = 32),
  constraint title_kind_check CHECK (kind = ANY (ARRAY['film'::text, 'episode'::text]))
);
CREATE INDEX title_by_name ON public.title USING btree (sort_key, id) WHERE visible;
CREATE INDEX title_newest ON public.title USING btree (added_at DESC, id DESC) WHERE visible;
CREATE INDEX title_of_series ON public.title USING btree (series_id, season, episode) WHERE (series_id IS NOT NULL);

create table totp (
  account_id uuid not null,
  id uuid not null,
  sealed_seed bytea not null,
  epoch bigint not null,
  confirmed_epoch bigint not null default 0,
  doubted_at timestamp with time zone,
  added_at timestamp with time zone not null,
  proved_at timestamp with time zone,
  removed_at timestamp with time zone,
  last_step bigint not null default 0,
  failures integer not null default 0,
  next_try_at timestamp with time zone not null,
  constraint totp_pkey PRIMARY KEY (account_id, id)
);
CREATE UNIQUE INDEX totp_in_use ON public.totp USING btree (account_id) WHERE ((proved_at IS NOT NULL) AND (removed_at IS NULL));
CREATE INDEX totp_removed ON public.totp USING btree (removed_at) WHERE (removed_at IS NOT NULL);
CREATE INDEX totp_unproved ON public.totp USING btree (added_at) WHERE (proved_at IS NULL);

CREATE OR REPLACE FUNCTION public.floor_only_rises()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  if tg_op <> 'UPDATE' or new.epoch < old.epoch or new.kind <> old.kind then
    raise exception 'a floor only rises';
  end if;
  return new;
end $function$;

CREATE OR REPLACE FUNCTION public.timeline_only_grows()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  if tg_op = 'UPDATE' and tg_table_name = 'timeline_entry' then
    if old.leaf_index is null
      and (new.id, new.at, new.kind, new.body) = (old.id, old.at, old.kind, old.body)
      and new.incident_id is not distinct from old.incident_id
    then
      return new;
    end if;
  elsif tg_op = 'UPDATE' and tg_table_name = 'timeline_checkpoint' then
    if old.note is null
      and (new.size, new.root, new.frontier, new.at) = (old.size, old.root, old.frontier, old.at)
    then
      return new;
    end if;
  end if;
  raise exception 'the timeline only grows';
end $function$;
