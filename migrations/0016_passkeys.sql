-- Passkeys (W3C Web Authentication Level 3). Owner: credentials. The private keys are with their owners: what is here
-- checks signatures and makes none.
create table passkey (
  account_id uuid not null,
  id uuid not null,
  -- COSE_Key (RFC 9052 section 7), as the authenticator gave it.
  public_key bytea not null check (octet_length(public_key) <= 1024),
  -- The authenticator's own count of signatures; 0 where it does not count.
  counter bigint not null check (counter >= 0),
  -- SHA-256 of the 256 random bits by which authenticators know the account.
  handle_digest bytea not null check (octet_length(handle_digest) = 32),
  -- Credential id, ways to reach the authenticator, and user handle.
  sealed_descriptor bytea not null,
  sealed_name bytea not null,
  -- Of what proved its adding.
  epoch bigint not null,
  -- The epoch of the session in which the owner said that it is theirs; 0: never asked.
  confirmed_epoch bigint not null default 0,
  -- Set when this one row does not count: its account was contained, or its counter went back.
  doubted_at timestamptz,
  counter_back_at timestamptz,
  added_at timestamptz not null,
  last_used_at timestamptz,
  -- Kept for a while, so that a removal can be taken back.
  removed_at timestamptz,
  primary key (account_id, id)
);
create index passkey_removed on passkey (removed_at) where removed_at is not null;

-- The way from a credential id to its account, in a table that is sharded by the id's digest: a credential id has at
-- least 100 bits of entropy (Web Authentication section 4).
create table passkey_way (
  credential_digest bytea primary key check (octet_length(credential_digest) = 32),
  account_id uuid not null,
  passkey_id uuid not null
);

-- A challenge that waits for its signature: 256 random bits, of which the digest is here, for one browser and one purpose.
create table passkey_challenge (
  challenge_digest bytea primary key check (octet_length(challenge_digest) = 32),
  browser_digest bytea not null check (octet_length(browser_digest) = 32),
  purpose text not null check (purpose in ('sign-in', 'prove', 'add')),
  -- Null for a sign-in: who it is, only the answer says.
  account_id uuid,
  -- The user handle that an added passkey is to know the account by.
  sealed_handle bytea,
  epoch bigint not null,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  used_at timestamptz
);
create index passkey_challenge_by_expiry on passkey_challenge (expires_at);
