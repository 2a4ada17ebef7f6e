-- Who is signed in where. Owner: sessions. The row holds only the digest of the secret; label and network are sealed.
create table session (
  account_id uuid not null,
  id uuid not null,
  digest bytea not null check (octet_length(digest) = 32),
  class text not null check (class in ('browser', 'tv', 'app', 'tool')),
  epoch bigint not null,
  generation bigint not null,
  sealed_label bytea not null,
  sealed_network bytea not null,
  created_at timestamptz not null,
  -- When its holder last proved a credential; dangerous acts ask for a fresh one.
  proved_at timestamptz not null,
  last_seen_at timestamptz not null,
  expires_at timestamptz not null,
  ended_at timestamptz,
  primary key (account_id, id)
);

-- The single-use link that `houselights operator link` prints; the secret stands in the fragment.
create table operator_link (
  digest bytea primary key check (octet_length(digest) = 32),
  account_id uuid,
  epoch bigint not null,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  used_at timestamptz
);

-- How many requests were refused for being older than a floor, counted by the web processes and added up by the hour.
create table refusal_count (
  kind text not null,
  hour timestamptz not null,
  node uuid not null,
  refused bigint not null,
  primary key (kind, hour, node)
);

-- Requests that cost a letter or a try, counted per subject (a blind index, a network) and window. Owner: http.
-- Unlogged: a count is not worth a disk's turn, and starts anew after the database server itself has crashed.
create unlogged table throttle (
  subject bytea not null,
  purpose text not null,
  window_start timestamptz not null,
  used integer not null,
  primary key (subject, purpose, window_start)
);
create index throttle_by_window on throttle (window_start);
