-- The append-only record. Owner: timeline. Entries are appended inside the transaction of what they tell of; the
-- integrator gives each its place in the Merkle tree (RFC 9162 section 2.1) afterwards, in order of arrival.
create table timeline_entry (
  id uuid primary key,
  at timestamptz not null,
  kind text not null,
  incident_id uuid,
  -- The leaf: canonical JSON, kept as the very bytes that were hashed.
  body bytea not null,
  -- Place and hash, null until integrated. A hash is SHA-256(0x00 || body).
  leaf_index bigint unique,
  leaf_hash bytea,
  check ((leaf_index is null) = (leaf_hash is null))
);
create index timeline_entry_waiting on timeline_entry (id) where leaf_index is null;
create index timeline_entry_of_incident on timeline_entry (incident_id, at) where incident_id is not null;
create index timeline_entry_by_kind on timeline_entry (kind, at);

-- Signed statements of size and root (C2SP tlog-checkpoint).
create table timeline_checkpoint (
  size bigint primary key,
  root bytea not null,
  -- The hashes of the complete subtrees, left to right, from which the next root is computed without reading old leaves.
  frontier bytea[] not null,
  note text not null,
  at timestamptz not null
);
