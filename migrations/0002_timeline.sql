-- The append-only record. Owner: timeline. Entries are appended inside the transaction of what they tell of; the
-- integrator gives each its place in the Merkle tree (RFC 9162 section 2.1) afterwards, in order of arrival.
create table timeline_entry (
  id uuid primary key,
  at timestamptz not null,
  kind text not null,
  incident_id uuid,
  -- The leaf: canonical JSON, kept as the very bytes that were hashed.
  body bytea not null check (octet_length(body) <= 65535),
  -- Place and hash, null until integrated. A hash is SHA-256(0x00 || body).
  leaf_index bigint unique,
  leaf_hash bytea,
  check ((leaf_index is null) = (leaf_hash is null))
);
create index timeline_entry_waiting on timeline_entry (id) where leaf_index is null;
create index timeline_entry_of_incident on timeline_entry (incident_id, at) where incident_id is not null;
create index timeline_entry_by_kind on timeline_entry (kind, at);

-- Statements of size and root (C2SP tlog-checkpoint), one for each run of the integrator.
create table timeline_checkpoint (
  size bigint primary key,
  root bytea not null,
  -- The hashes of the complete subtrees, left to right, from which the next root is computed without reading old leaves.
  frontier bytea[] not null,
  -- The signed note; null from the commit that integrates until the keyholder has signed.
  note text,
  at timestamptz not null
);
create index timeline_checkpoint_unsigned on timeline_checkpoint (size) where note is null;

-- Roots of complete subtrees of 256, 65,536, … leaves, so that a proof reads a few hundred hashes whatever the size.
-- `level` is the subtree's height (8, 16, …), `place` its number from the left.
create table timeline_node (
  level smallint not null,
  place bigint not null,
  hash bytea not null,
  primary key (level, place)
);

-- The record only grows, whoever writes: a bug or an intruder with the web process's rights cannot rewrite it. (One
-- with the database owner's rights can drop this trigger: that is what signatures and the witness are for.)
create function timeline_only_grows() returns trigger language plpgsql as $$
begin
  if tg_op = 'UPDATE' and tg_table_name = 'timeline_entry' then
    if old.leaf_index is null
      and (new.id, new.at, new.kind, new.body) = (old.id, old.at, old.kind, old.body)
      and new.incident_id is not distinct from old.incident_id
    then
      return new;
    end if;
  elsif tg_op = 'UPDATE' and tg_table_name = 'timeline_checkpoint' then
    if old.note is null
      and (new.size, new.root, new.frontier, new.at) = (old.size, old.root, old.frontier, old.at)
    then
      return new;
    end if;
  end if;
  raise exception 'the timeline only grows';
end $$;
create trigger timeline_only_grows before update or delete on timeline_entry
  for each row execute function timeline_only_grows();
create trigger timeline_only_grows before update or delete on timeline_checkpoint
  for each row execute function timeline_only_grows();
create trigger timeline_only_grows before update or delete on timeline_node
  for each row execute function timeline_only_grows();
