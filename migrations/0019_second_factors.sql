-- One-time codes from an authenticator app (RFC 6238). Owner: credentials. The seed is sealed for a purpose of its own:
-- the keyholder compares codes with it and gives it to nobody.
create table totp (
  account_id uuid not null,
  id uuid not null,
  sealed_seed bytea not null,
  -- Of what proved its adding.
  epoch bigint not null,
  -- The epoch of the session in which the owner said that it is theirs; 0: never asked.
  confirmed_epoch bigint not null default 0,
  -- Set when this one row does not count: its account was contained.
  doubted_at timestamptz,
  added_at timestamptz not null,
  -- When a first code proved that the app has the seed. Null until then: it counts for nothing.
  proved_at timestamptz,
  -- Kept for a while, so that a removal can be taken back.
  removed_at timestamptz,
  -- The newest time step whose code was used; an equal or older one is not accepted again.
  last_step bigint not null default 0,
  -- Wrong codes in a row, and when the next one may be tried.
  failures integer not null default 0,
  next_try_at timestamptz not null,
  primary key (account_id, id)
);
create unique index totp_in_use on totp (account_id) where proved_at is not null and removed_at is null;
create index totp_unproved on totp (added_at) where proved_at is null;
create index totp_removed on totp (removed_at) where removed_at is not null;

-- Codes to be kept on paper, each good once in place of a second factor. Owner: credentials. Made and replaced as a set.
create table recovery_code (
  account_id uuid not null,
  set_id uuid not null,
  ordinal smallint not null,
  -- Under a key that the keyholder derives from the account's data key.
  mac bytea not null check (octet_length(mac) = 32),
  epoch bigint not null,
  confirmed_epoch bigint not null default 0,
  doubted_at timestamptz,
  added_at timestamptz not null,
  used_at timestamptz,
  primary key (account_id, set_id, ordinal)
);

-- A right password that waits for its second factor. Owner: sessions. Bound to the browser by the digest of 256 bits, and
-- complete but for them: what the session will be called is sealed already.
create table sign_in_step (
  account_id uuid not null,
  id uuid not null,
  digest bytea not null check (octet_length(digest) = 32),
  class text not null check (class in ('browser', 'tv', 'app', 'tool')),
  sealed_label bytea not null,
  sealed_network bytea not null,
  -- What the owner's list of events will say of it.
  sealed_event bytea,
  -- Read with the password.
  epoch bigint not null,
  generation bigint not null,
  password_set_at timestamptz not null,
  tries integer not null default 0,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  used_at timestamptz,
  primary key (account_id, id)
);
create index sign_in_step_by_expiry on sign_in_step (expires_at);
