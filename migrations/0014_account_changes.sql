-- Changes of a credential or address, each with the right to take it back for a week: "it was not me" in the letter about
-- it. Owner: credentials.
create table account_change (
  account_id uuid not null,
  id uuid not null,
  kind text not null,
  -- The address or credential that it is about; null where an account has one of the kind at most.
  subject uuid,
  -- Null where nobody was sent the secret: an account without an address that may take something back.
  undo_digest bytea check (octet_length(undo_digest) = 32),
  -- The epoch of what proved the change: below the floor of codes, taking it back gives nothing back any more.
  epoch bigint not null,
  made_at timestamptz not null,
  undo_until timestamptz not null,
  -- By its own letter, or with an earlier change that was taken back.
  undone_at timestamptz,
  primary key (account_id, id)
);
create index account_change_by_end on account_change (undo_until);
