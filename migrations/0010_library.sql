-- What the folders hold. Owner: library. Nothing here belongs to an account.
create table series (
  id uuid primary key,
  -- SHA-256 of folded name and year: two folders of one series are one series, whatever the length of their names.
  identity bytea not null unique check (octet_length(identity) = 32),
  name text not null,
  year integer,
  added_at timestamptz not null
);

-- A film or an episode. It outlives its files: progress hangs on its id, and it is back when a file is.
create table title (
  id uuid primary key,
  kind text not null check (kind in ('film', 'episode')),
  -- SHA-256 of what makes two files versions of one title (folded name and year; or series, season and episode).
  identity bytea not null unique check (octet_length(identity) = 32),
  name text not null,
  year integer,
  series_id uuid references series (id),
  season integer,
  episode integer,
  -- The last one of a double episode (S01E01-E02), else equal to `episode`.
  last_episode integer,
  -- Lower case, without diacritics and punctuation; a space stands before each word, so that a word's start is findable.
  search_text text not null collate "C",
  sort_key text not null collate "C",
  added_at timestamptz not null,
  -- False while every file of it is missing.
  visible boolean not null,
  check ((kind = 'episode') = (series_id is not null and season is not null and episode is not null and last_episode is not null))
);
create index title_newest on title (added_at desc, id desc) where visible;
create index title_by_name on title (sort_key, id) where visible;
create index title_of_series on title (series_id, season, episode) where series_id is not null;

create table file (
  id uuid primary key,
  title_id uuid not null references title (id),
  -- Relative to the library's root, with '/'. The scan refuses paths above 1,024 bytes.
  path text not null unique check (octet_length(path) <= 1024),
  -- Size, time of change in ns and inode: a file whose fingerprint is known is not read again, wherever it moved.
  fingerprint text not null,
  size_bytes bigint not null,
  state text not null check (state in ('playable', 'damaged', 'missing')),
  -- Why it is damaged, in words for the operator.
  problem text,
  -- What inspecting it found; null while it has never been playable. `facts` is what pages show, `index` what cuts segments.
  facts jsonb,
  index jsonb,
  -- Subtitles that lie beside it.
  sidecars jsonb not null,
  -- Pictures that lie beside it, best first: paths relative to the root.
  pictures jsonb not null,
  first_seen_at timestamptz not null,
  inspected_at timestamptz not null,
  check (state <> 'playable' or (facts is not null and index is not null))
);
create index file_of_title on file (title_id);
create index file_by_fingerprint on file (fingerprint);

-- The picture of a title. The bytes lie in the data folder under their digest; this row says which, or that none could be made.
create table artwork (
  title_id uuid primary key references title (id),
  -- What it was made from (path and fingerprint), so that a changed picture is made anew.
  source text not null,
  digest text check (digest ~ '^[0-9a-f]{64}$'),
  width integer,
  height integer,
  -- Dominant colour as #rrggbb, shown until the picture is there.
  colour text check (colour ~ '^#[0-9a-f]{6}$'),
  made_at timestamptz not null,
  check ((digest is null) = (width is null) and (digest is null) = (height is null) and (digest is null) = (colour is null))
);

-- Each scan with its counts; the newest one is what the console shows.
create table scan (
  id uuid primary key,
  started_at timestamptz not null,
  finished_at timestamptz,
  counts jsonb not null
);
create index scan_newest on scan (started_at desc);
