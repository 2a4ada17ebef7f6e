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

-- The campaign of a case: how far the freezing of the scope has come. Its letters are handed over once it is frozen.
create table campaign (
  incident_id uuid primary key references incident (id),
  started_at timestamptz not null,
  started_by text not null,
  -- Accounts made up to then are in scope; with scope_accounts, those of them only.
  scope_at timestamptz not null,
  -- Every account up to here (in order of id) that belongs to the scope has its letter.
  frozen_up_to uuid,
  frozen_at timestamptz
);

-- The letter's words in each language, fixed when the campaign starts: what was sent is what the notice page shows.
create table notice (
  incident_id uuid not null references incident (id),
  locale text not null,
  subject text not null,
  text text not null,
  html text not null,
  -- SHA-256 of the three, each after its length; the timeline names it with each letter.
  hash bytea not null check (octet_length(hash) = 32),
  primary key (incident_id, locale)
);

-- One row per account in the frozen scope, one outcome per row.
create table letter (
  account_id uuid not null,
  incident_id uuid not null,
  state text not null check (
    state in ('unclaimed', 'claimed', 'deferred', 'handed over', 'bounced', 'refused', 'suppressed', 'no address')
  ),
  -- Raised by each claim, so that the outcome of an older claim is known as such.
  attempts integer not null default 0,
  -- A claim's lease ran out, or the relay's answer was lost, and the letter went again with the same Message-ID.
  possibly_twice boolean not null default false,
  lease_until timestamptz,
  due_at timestamptz,
  -- The relay's last answer, without addresses, and its own name for the letter.
  reply text,
  queue_id text,
  settled_at timestamptz,
  primary key (account_id, incident_id)
);
-- The resume point of the walk: what is left, in order of id; and what is to be tried again, in order of when.
create index letter_to_walk on letter (incident_id, account_id) where state in ('unclaimed', 'claimed');
create index letter_to_retry on letter (incident_id, due_at) where state = 'deferred';
create index letter_by_state on letter (incident_id, state);
