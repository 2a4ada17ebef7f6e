-- Which addresses are canaries, and for which place. The mark is keyed, so that a copy does not tell a canary from
-- anybody else: no column leads from here to an account. Days and not instants, since an instant would.
create table canary (
  mark bytea primary key check (octet_length(mark) between 32 and 64),
  place text not null check (place ~ '^[a-z0-9][a-z0-9._-]{0,62}$'),
  kind text not null check (kind in ('account', 'address', 'relay', 'decoy')),
  -- The address, for its operator: sealed under a data key of its own.
  seal_id uuid not null,
  data_key bytea not null,
  sealed_address bytea not null,
  planted_on date not null,
  -- Taken out of the database on this day; it rings all the same, for the copies that were made before.
  retired_on date
);
create index canary_by_place on canary (place, kind);
