-- Scrub pictures: what a viewer sees of a place in a film while looking for it. Owner: library. The bytes lie in the data folder,
-- in one file for each film; this row says how far making it has come.
create table scrub (
  file_id uuid primary key references file (id),
  -- The film's file as it was read: pictures of another one are not its pictures.
  fingerprint text not null,
  -- 'made' is written once the pictures are on the disk as a whole.
  state text not null check (state in ('making', 'made', 'failed')),
  -- Counted before a try begins, so that a film which takes the process along is not tried for ever.
  tries integer not null check (tries > 0),
  tried_at timestamptz not null,
  -- Why it failed, in words for the operator.
  problem text,
  -- Since when the film is not there to be played; its pictures are kept a while for one that comes back.
  away_since timestamptz,
  check ((state = 'failed') = (problem is not null))
);
