-- Who presses "it was not me": each address that may take a change back has a secret of its own. undo_digest is the oldest address's; those
-- of the others stand here, in the order of the addresses that they were mailed to. In letters from before, all had the same one.
alter table account_change
  add column other_digests bytea[] not null default '{}',
  add column other_addresses uuid[] not null default '{}',
  add check (cardinality(other_digests) = cardinality(other_addresses));
