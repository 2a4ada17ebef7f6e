-- Which of an account's addresses is written to first; without a choice it is the oldest.
alter table account_address add column used_first boolean not null default false;

-- Addresses that were removed, for as long as the removal can be taken back. Owner: accounts. No blind index: the way
-- from the address to the account is gone, and is made anew if it comes back.
create table removed_address (
  account_id uuid not null,
  id uuid not null,
  sealed bytea not null,
  -- As account_address has them.
  epoch bigint not null,
  confirmed_at timestamptz not null,
  founding boolean not null,
  confirmed_epoch bigint not null,
  doubted_at timestamptz,
  removed_at timestamptz not null,
  primary key (account_id, id)
);
create index removed_address_by_removal on removed_address (removed_at);

-- What happened to an account, for its owner to see. Owner: accounts. The kind and the instant are in clear, everything
-- else (device, network, address) is sealed.
create table security_event (
  account_id uuid not null,
  id uuid not null,
  kind text not null,
  at timestamptz not null,
  sealed_detail bytea,
  primary key (account_id, id)
);
create index security_event_by_instant on security_event (at);
