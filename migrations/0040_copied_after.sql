-- A canary says before which day no copy can have held it, and not when the copy was made.
alter table alarm rename column copied_at to copied_after;
alter table incident add column copied_after timestamptz;
