-- What rang, in plain words: what it is evidence of and what it is not, and the case that it proposes.
create table alarm (
  id uuid primary key,
  kind text not null check (kind in ('copy detected', 'canary', 'honeyword', 'key use', 'stuffing', 'test')),
  -- The same thing again, while nobody has acknowledged it, is counted and not told again before a day has passed.
  about text not null check (octet_length(about) <= 300),
  place text check (place ~ '^[a-z0-9][a-z0-9._-]{0,62}$'),
  title text not null,
  evidence text not null,
  not_evidence text not null,
  facts jsonb not null,
  found_how text not null,
  copied_at timestamptz,
  data_classes text[] not null,
  keys_reachable text not null check (keys_reachable in ('no', 'unknown', 'yes')),
  at timestamptz not null,
  last_at timestamptz not null,
  times bigint not null default 1 check (times >= 1),
  -- When it was last told to people, and which of its times that was.
  told_at timestamptz not null,
  told_times bigint not null default 1,
  acknowledged_at timestamptz,
  acknowledged_by text,
  incident_id uuid references incident (id),
  check ((acknowledged_at is null) = (acknowledged_by is null))
);
create unique index alarm_one_open on alarm (about) where acknowledged_at is null;
create index alarm_newest on alarm (last_at desc, id desc);
