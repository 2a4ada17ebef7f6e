-- What the worker found out before a campaign starts: how many accounts have their first address with which provider, and
-- what receivers find in the DNS of the sender's domain. Owner: incidents. Counts alone; no address.
create table campaign_survey (
  incident_id uuid primary key references incident (id),
  asked_at timestamptz not null,
  -- Accounts looked at so far.
  counted bigint not null default 0,
  done_at timestamptz,
  providers jsonb not null default '[]',
  findings jsonb not null default '[]'
);
