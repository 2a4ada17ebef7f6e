-- What proves an account. Owner: credentials. `record` is seal(argon2id(password, salt)); only the keyholder opens it.
create table password (
  account_id uuid primary key,
  salt bytea not null,
  -- Argon2id parameters as in a PHC string: m in KiB, t passes, p lanes.
  parameters text not null,
  record bytea not null,
  epoch bigint not null,
  set_at timestamptz not null
);

-- A registration that waits for the code from its mailbox. Found by the digest of the asking browser's cookie.
create table sign_up (
  browser_digest bytea primary key check (octet_length(browser_digest) = 32),
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
  created_at timestamptz not null,
  expires_at timestamptz not null,
  used_at timestamptz
);
create index sign_up_by_expiry on sign_up (expires_at);

-- An address that waits for the code from its mailbox, asked for by a signed-in account.
create table address_claim (
  account_id uuid not null,
  id uuid not null,
  address_index bytea not null,
  sealed bytea not null,
  code_mac bytea not null,
  epoch bigint not null,
  tries integer not null default 0,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  used_at timestamptz,
  primary key (account_id, id)
);
