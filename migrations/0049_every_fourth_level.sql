-- A proof reads the stored hashes beside its way and makes those between: of every fourth level fifteen at most for each, where of every
-- eighth they were 255. Those of the levels 4, 12, 20 … that are missing are made here, pair by pair from the level below that is there.
-- Whoever integrates entries meanwhile, by the number of integrate.ts, is waited for, and waits.
select pg_advisory_xact_lock(1212970092);
with stored (level, place, hash) as (
  select 0, leaf_index, leaf_hash from timeline_entry where leaf_index is not null
  union all
  select level, place, hash from timeline_node where level % 8 = 0
), first (level, place, hash) as (
  select level + 1, place / 2, sha256('\x01'::bytea || string_agg(hash, ''::bytea order by place))
    from stored group by level, place / 2 having count(*) = 2
), second (level, place, hash) as (
  select level + 1, place / 2, sha256('\x01'::bytea || string_agg(hash, ''::bytea order by place))
    from first group by level, place / 2 having count(*) = 2
), third (level, place, hash) as (
  select level + 1, place / 2, sha256('\x01'::bytea || string_agg(hash, ''::bytea order by place))
    from second group by level, place / 2 having count(*) = 2
)
insert into timeline_node (level, place, hash)
select level + 1, place / 2, sha256('\x01'::bytea || string_agg(hash, ''::bytea order by place))
  from third group by level, place / 2 having count(*) = 2
    on conflict do nothing;
