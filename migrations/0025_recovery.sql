-- The recovery of an account whose owner has lost every way in, started by an operator. Owner: renewal. At most one for an
-- account. From `ready_at` on the address it names can ask for a renewal of that account, until `expires_at`.
create table recovery (
  account_id uuid primary key,
  id uuid not null,
  -- As the newest key of the index had it at the start.
  address_index bytea not null,
  -- The address, under the account's data key, as `account_address` will keep it.
  sealed bytea not null,
  without_second_factor boolean not null,
  -- The lowest of what proved the start.
  epoch bigint not null,
  started_at timestamptz not null,
  ready_at timestamptz not null check (ready_at > started_at),
  expires_at timestamptz not null check (expires_at > ready_at)
);
create index recovery_of_address on recovery (address_index);
create index recovery_by_expiry on recovery (expires_at);
-- The recovery that a ticket belongs to; null for a renewal by an address of the account.
alter table ticket add column recovery_id uuid;
