-- What witnesses elsewhere have cosigned of the timeline (C2SP tlog-witness). Owner: timeline. One row for each witness that
-- was ever asked; `key` is its name and key id, as in its signature lines.
create table timeline_witness (
  key text primary key,
  -- The largest tree that it is known to have cosigned; the next consistency proof begins there.
  size bigint not null,
  cosigned_at timestamptz,
  -- Since when it has not cosigned what it was asked for, and why not, in words of our own; null while it does.
  failing_since timestamptz,
  problem text,
  check ((failing_since is null) = (problem is null))
);
-- The newest cosignatures, as lines for below a checkpoint.
create table timeline_cosignature (
  size bigint not null,
  key text not null,
  line text not null,
  at timestamptz not null,
  primary key (size, key)
);
-- Giving an entry its place is the one change of it that is allowed, and happens to each of them: it is told apart here, without
-- a call for every row.
drop trigger timeline_only_grows on timeline_entry;
create trigger timeline_only_grows before delete on timeline_entry
  for each row execute function timeline_only_grows();
create trigger timeline_places_only before update on timeline_entry
  for each row when (
    old.leaf_index is not null
    or (new.id, new.at, new.kind, new.body) is distinct from (old.id, old.at, old.kind, old.body)
    or new.incident_id is distinct from old.incident_id
  ) execute function timeline_only_grows();
