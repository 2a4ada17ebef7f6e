-- Linking a TV or app by a short code (RFC 8628). Owner: links. The device code is stored as its digest, the user code
-- as a keyed index, the device's own description sealed for the person who approves.
create table link (
  device_digest bytea primary key check (octet_length(device_digest) = 32),
  user_code_index bytea not null,
  class text not null check (class in ('tv', 'app')),
  -- What is being linked, sealed under a key of its own, since there is no account yet.
  data_key bytea not null,
  label_account_id uuid not null,
  sealed_label bytea not null,
  sealed_network bytea not null,
  state text not null check (state in ('pending', 'approved', 'denied')),
  epoch bigint not null,
  account_id uuid,
  generation bigint,
  interval_seconds integer not null,
  last_polled_at timestamptz,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  claimed_at timestamptz,
  check (state <> 'approved' or account_id is not null)
);
create unique index link_by_user_code on link (user_code_index) where state = 'pending';
create index link_by_expiry on link (expires_at);
