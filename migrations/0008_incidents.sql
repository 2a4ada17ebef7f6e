-- The case file of one theft. Owner: incidents.
create table incident (
  id uuid primary key,
  -- What letters quote and anybody can check on the site.
  reference text not null unique,
  state text not null check (state in ('open', 'contained', 'notifying', 'readmitting', 'closed')),
  reason text not null,
  opened_at timestamptz not null,
  opened_by text not null,
  found_at timestamptz not null,
  found_by text not null,
  found_how text not null,
  copied_at timestamptz,
  data_classes text[] not null,
  keys_reachable text not null check (keys_reachable in ('no', 'unknown', 'yes')),
  -- Null: everybody who existed at copied_at, or else at containment.
  scope_accounts uuid[],
  containment text check (containment in ('everyone-out', 'with-renewal', 'account')),
  contained_at timestamptz,
  epoch bigint,
  kept_tools boolean,
  way_in_what text,
  way_in_closed_at timestamptz,
  way_in_evidence text,
  notified_at timestamptz,
  -- The frozen scope: accounts at the start of the campaign.
  scope_count bigint,
  letters_finished_at timestamptz,
  closed_at timestamptz
);
create unique index incident_one_in_hand on incident ((true)) where state <> 'closed';

-- What has to be looked at before a case closes: done, or explained.
create table incident_review (
  incident_id uuid not null references incident (id),
  item text not null,
  state text not null check (state in ('todo', 'done', 'explained')),
  note text not null,
  at timestamptz,
  primary key (incident_id, item)
);

-- One row per account in the frozen scope, one outcome per row.
create table letter (
  account_id uuid not null,
  incident_id uuid not null,
  state text not null check (
    state in ('unclaimed', 'claimed', 'deferred', 'handed over', 'bounced', 'refused', 'suppressed', 'no address')
  ),
  attempts integer not null default 0,
  -- A claim's lease ran out and the letter went again with the same Message-ID.
  possibly_twice boolean not null default false,
  lease_until timestamptz,
  due_at timestamptz,
  reply text,
  settled_at timestamptz,
  primary key (account_id, incident_id)
);
create index letter_waiting on letter (incident_id, account_id) where state in ('unclaimed', 'claimed', 'deferred');
create index letter_by_state on letter (incident_id, state);

-- Where the walk over the frozen scope stands; a shard is leased by one worker at a time.
create table campaign_shard (
  incident_id uuid not null references incident (id),
  shard integer not null,
  first_account uuid not null,
  last_account uuid not null,
  -- Every account up to here (in order of id) has left `unclaimed`.
  resume_after uuid,
  lease_until timestamptz,
  leased_by uuid,
  finished_at timestamptz,
  primary key (incident_id, shard)
);
