-- Accounting for the use of keys. Owner: key-use. A caller is a connection to the keyholder, known by the digest of a secret
-- that its process alone has; it commits ids here before it uses them.
create table key_caller (
  caller bytea primary key check (octet_length(caller) = 16),
  role text not null,
  -- Ids up to this one may be used; at the caller's end, the last that was.
  announced_to bigint not null check (announced_to > 0),
  opened_at timestamptz not null,
  -- When ids were announced last; a caller does so anew before it uses one after an hour of silence.
  renewed_at timestamptz not null,
  closed_at timestamptz
);
-- What was compared last: the keyholder's own totals by purpose, which begin anew with another file of it.
create table key_ledger (
  only_row boolean primary key default true check (only_row),
  ledger text not null,
  totals jsonb not null,
  compared_at timestamptz not null
);
create table key_use (
  purpose text not null,
  hour timestamptz not null,
  served bigint not null check (served >= 0),
  primary key (purpose, hour)
);
-- Uses that nobody announced.
create table key_surplus (
  caller bytea not null check (octet_length(caller) = 16),
  role text not null,
  purpose text not null,
  surplus bigint not null check (surplus > 0),
  first_at timestamptz not null,
  last_at timestamptz not null,
  primary key (caller, role, purpose)
);
