-- A campaign's letters are walked by ranges of account ids, each by one walk at a time. Owner: incidents.
create table campaign_shard (
  incident_id uuid not null references campaign (incident_id),
  shard integer not null,
  -- Accounts behind the one, up to and with the other.
  after_id uuid not null,
  up_to_id uuid not null,
  -- Every letter up to this account has an outcome, or waits to be tried again.
  resume_after_id uuid not null,
  -- The walk that has it, and until when without saying so again.
  walk_id uuid,
  lease_until timestamptz,
  -- No letter in it is left that was never tried.
  walked_at timestamptz,
  primary key (incident_id, shard)
);

-- Campaigns that were begun before: one range with everything that is frozen.
insert into campaign_shard (incident_id, shard, after_id, up_to_id, resume_after_id)
select incident_id, 1, '00000000-0000-0000-0000-000000000000',
       case when frozen_at is null then frozen_up_to else 'ffffffff-ffff-ffff-ffff-ffffffffffff' end,
       '00000000-0000-0000-0000-000000000000'
  from campaign where frozen_up_to is not null;

-- Since when the relay puts this letter off: patience with it is counted from here.
alter table letter add column deferred_since timestamptz;

-- What a walk says that pauses a campaign by itself: its letter cannot be sent.
alter table campaign add column paused_why text;
