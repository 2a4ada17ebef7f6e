-- Networks from which somebody has signed in to an address lately: they keep a share of tries of their own while an address
-- is tried from everywhere. Owner: http. A keyed index of address and network together, like `throttle`'s.
create table known_network (
  subject bytea primary key check (octet_length(subject) between 32 and 40),
  seen_at timestamptz not null
);
create index known_network_by_time on known_network (seen_at);
