-- How far an account has watched a title. Owner: streaming. No foreign key: the row is kept with the account's other rows
-- (distributed by account), titles are the same everywhere, and progress outlives a title that is away.
create table progress (
  account_id uuid not null,
  title_id uuid not null,
  position_seconds double precision not null check (position_seconds >= 0),
  duration_seconds double precision not null check (duration_seconds >= 0),
  watched boolean not null,
  updated_at timestamptz not null,
  primary key (account_id, title_id)
);
create index progress_latest on progress (account_id, updated_at desc);
