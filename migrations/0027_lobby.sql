-- The lobby: places in line for people who come back when more come than can be served. Owner: renewal.

-- One line for each case, and one for days without a case (the nil id). Numbers count up from 1; whoever has one up to
-- `called` may come in. Both are moved on in one statement, so that every node hands out of the same row.
create table lobby (
  case_id uuid primary key,
  data_key bytea not null,
  -- What places of this line are signed with, under the data key.
  sealed_key bytea not null,
  given bigint not null default 0,
  called bigint not null default 0,
  opened_at timestamptz not null,
  check (called >= 0 and called <= given)
);

-- Numbers that have come in, each once.
create table lobby_entry (
  case_id uuid not null,
  number bigint not null,
  browser_digest bytea not null check (octet_length(browser_digest) = 32),
  entered_at timestamptz not null,
  primary key (case_id, number)
);
create index lobby_entry_by_instant on lobby_entry (entered_at);

-- Places that one network has taken in a window.
create table lobby_network (
  case_id uuid not null,
  window_start timestamptz not null,
  -- HMAC of the network and the window under the line's key, so that nobody sees that one came again.
  network bytea not null,
  taken integer not null,
  primary key (case_id, window_start, network)
);
create index lobby_network_by_window on lobby_network (window_start);

-- What happened in the line, minute by minute, of all nodes together.
create table lobby_minute (
  case_id uuid not null,
  minute timestamptz not null,
  given bigint not null default 0,
  called bigint not null default 0,
  entered bigint not null default 0,
  -- Who found no line and walked straight through.
  walked_in bigint not null default 0,
  primary key (case_id, minute)
);
create index lobby_minute_by_instant on lobby_minute (minute);

-- The mailed code was right when its holder was given a place; the wait in line does not use up the ticket's life.
alter table ticket add column proved_at timestamptz;
