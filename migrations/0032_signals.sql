-- Security signals to other services (OpenID Shared Signals Framework 1.0). Owner of these tables: signals.

-- A relying service that an operator has let in. Reference table on Citus.
create table signal_receiver (
  id uuid primary key,
  name text not null,
  -- The `aud` of its tokens (RFC 7519 section 4.1.3).
  audience text not null unique,
  -- Of 256 random bits.
  token_digest bytea not null unique,
  token_expires_at timestamptz not null,
  -- Wrapped: where its signals go, and for which addresses, is sealed under it.
  data_key bytea not null,
  -- Why it may be told addresses; null: it may not.
  addresses_because text,
  -- The only origin that its signals may be pushed to; null: it polls.
  push_origin text,
  -- Whether that origin may be a machine of a private network.
  private_network boolean not null,
  made_at timestamptz not null
);

-- A stream of signals to a relying service. Reference table on Citus: every transaction that tells something asks it.
create table signal_stream (
  id uuid primary key,
  receiver_id uuid not null,
  method text not null check (method in ('push', 'poll')),
  subject_format text not null check (subject_format in ('iss_sub', 'opaque', 'email')),
  events_requested text[] not null,
  -- What is sent of it, in our own words.
  kinds text[] not null,
  description text,
  sealed_endpoint bytea,
  sealed_authorization bytea,
  status text not null check (status in ('enabled', 'paused', 'disabled')),
  status_reason text,
  made_at timestamptz not null,
  -- When the next verification may be asked for.
  verify_from timestamptz not null,
  -- When the receiver last took a signal, or the stream was made or enabled.
  taken_at timestamptz not null,
  -- Pushes that failed one after another, and when the next one is due.
  failures integer not null default 0,
  due_at timestamptz,
  lease_until timestamptz,
  taken bigint not null default 0,
  refused bigint not null default 0,
  dropped bigint not null default 0,
  constraint push_has_endpoint check ((method = 'push') = (sealed_endpoint is not null))
);
create index signal_stream_of_receiver on signal_stream (receiver_id);

-- What happened to one account, written in the transaction of what it tells of; the worker gives it to the streams.
create table signal (
  account_id uuid not null,
  id uuid not null,
  kind text not null,
  cause text not null,
  at timestamptz not null,
  primary key (account_id, id)
);
create index signal_in_order on signal (id);

-- A containment of everybody, to be told account by account. One row, whatever the number of accounts.
create table signal_fan_out (
  id uuid primary key,
  incident_id uuid not null,
  kinds text[] not null,
  at timestamptz not null,
  -- When it was given to the streams there were.
  begun_at timestamptz
);
create index signal_fan_out_of_incident on signal_fan_out (incident_id);

-- How far a fan-out has come for one stream: every account up to `after_account` has its signals.
create table signal_fan_out_stream (
  fan_out_id uuid not null,
  stream_id uuid not null,
  after_account uuid not null default '00000000-0000-0000-0000-000000000000',
  accounts bigint not null default 0,
  made bigint not null default 0,
  refused bigint not null default 0,
  dropped bigint not null default 0,
  finished_at timestamptz,
  primary key (fan_out_id, stream_id)
);

-- A signal that waits for one stream. It is signed when it is handed over.
create table signal_delivery (
  stream_id uuid not null,
  id uuid not null,
  -- Null: it tells of the stream itself.
  account_id uuid,
  kind text not null,
  cause text not null,
  at timestamptz not null,
  -- What belongs together has one (SSF 1.0 section 4.1.8).
  txn uuid not null,
  fan_out_id uuid,
  -- The address that the stream knows the account by, or what a verification echoes.
  sealed bytea,
  made_at timestamptz not null,
  attempts integer not null default 0,
  due_at timestamptz not null,
  primary key (stream_id, id)
);
create index signal_delivery_due on signal_delivery (stream_id, due_at, id);
create index signal_delivery_by_age on signal_delivery (made_at);
create index signal_delivery_of_fan_out on signal_delivery (fan_out_id, stream_id) where fan_out_id is not null;

-- An account that a receiver has added to a stream, or removed from one.
create table signal_subject (
  account_id uuid not null,
  stream_id uuid not null,
  state text not null check (state in ('added', 'removed')),
  sealed_address bytea,
  primary key (account_id, stream_id)
);
create index signal_subject_of_stream on signal_subject (stream_id, account_id);
