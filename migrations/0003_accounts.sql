-- Who exists. Owner: accounts. Addresses and names are sealed under the account's data key, which the keyholder wraps.
create table account (
  id uuid primary key,
  role text not null check (role in ('viewer', 'operator')),
  locale text not null,
  -- Raised to sign out one account everywhere; sessions carry the one they were made under.
  generation bigint not null default 1 check (generation >= 1),
  data_key bytea not null,
  sealed_name bytea not null,
  created_at timestamptz not null
);
create index account_by_creation on account (created_at, id);
create index account_operators on account (id) where role = 'operator';

-- The addresses of an account, as the account sees them.
create table account_address (
  account_id uuid not null references account (id),
  id uuid not null,
  sealed bytea not null,
  blind_index bytea not null,
  -- The epoch of what proved it (the code in the mail).
  epoch bigint not null,
  confirmed_at timestamptz not null,
  primary key (account_id, id)
);

-- The way from an address to its account: by keyed blind index, in a table that is sharded by it.
create table address (
  blind_index bytea primary key check (octet_length(blind_index) = 32),
  account_id uuid not null
);
