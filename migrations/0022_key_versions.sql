-- Keys that can be changed while the service runs.

-- An index names the key it was made with; those of the first key stay as they are, 32 bytes. While that key is being
-- changed an address has a row under each of two keys.
alter table address drop constraint address_blind_index_check;
alter table address add constraint address_blind_index_check check (octet_length(blind_index) in (32, 36));
-- The index under the key before, until that key is retired.
alter table account_address add column former_index bytea;

-- The version of the index's key that a campaign's Message-IDs are made with, from its first letter to its last.
alter table campaign add column index_version integer;

-- What this database knows of the keys it is sealed with, so that other keys, or older ones, are noticed.
create table key_version (
  purpose text not null,
  version integer not null check (version >= 1),
  -- Of the key, and says nothing of it.
  fingerprint bytea not null check (octet_length(fingerprint) = 16),
  state text not null check (state in ('live', 'closing', 'retired')),
  made_at timestamptz not null,
  retired_at timestamptz,
  primary key (purpose, version)
);

-- The highest generation of the file of keys that this database has been used with.
create table key_file (
  only_row boolean primary key default true check (only_row),
  generation bigint not null
);
insert into key_file (generation) values (0);

-- How far each column has been sealed again under the newest version of its key.
create table key_rewrap (
  table_name text not null,
  column_name text not null,
  purpose text not null,
  to_version integer not null,
  -- The key of the last row looked at, as text; null at the beginning.
  after_key text[],
  rewrapped bigint not null default 0,
  unreadable bigint not null default 0,
  started_at timestamptz not null,
  finished_at timestamptz,
  primary key (table_name, column_name)
);
