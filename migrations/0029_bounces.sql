-- Letters that come back. Owner: incidents.

-- The address that the letter was handed over for last, and those from which it came back for good.
alter table letter add column sent_to uuid;
alter table letter add column bounced_addresses uuid[] not null default '{}';

-- An address that a letter came back from: campaigns leave it out for a while, renewal mail does not.
create table address_bounce (
  account_id uuid not null,
  address_id uuid not null,
  -- RFC 3463.
  status text not null,
  at timestamptz not null,
  primary key (account_id, address_id)
);

-- Signed reports of a relay that were taken: each is good once.
create table bounce_report (
  digest bytea primary key check (octet_length(digest) = 32),
  at timestamptz not null
);
create index bounce_report_by_time on bounce_report (at);
