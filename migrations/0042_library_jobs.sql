-- What the console shows of the library's jobs. Owner: library.
-- Paths of the files that are being inspected, and how many were to be inspected when the scan began.
alter table scan add column inspecting text[] not null default '{}';
alter table scan add column to_inspect integer not null default 0;

-- The console counts files every two seconds: from these alone, without the rows, which hold indexes of films.
create index file_by_state on file (state);
create index file_damaged on file (inspected_at desc) where state = 'damaged';
create index scrub_failed on scrub (tried_at desc) where state = 'failed';
