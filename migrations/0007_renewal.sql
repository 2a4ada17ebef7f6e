-- The right to renew, by a code mailed to the account's address. Owner: renewal. Found by the digest of the asking
-- browser's cookie; the row exists, and costs the same, whether or not the address has an account.
create table ticket (
  browser_digest bytea primary key check (octet_length(browser_digest) = 32),
  account_id uuid,
  address_index bytea not null,
  code_mac bytea not null,
  epoch bigint not null,
  tries integer not null default 0,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  used_at timestamptz
);
create index ticket_by_expiry on ticket (expires_at);
