-- The instant of a letter's entry in the timeline, which stays when a bounce changes the letter's outcome: its receipt is found by
-- it among the entries of one instant, and not among those of everybody.
alter table letter add column entered_at timestamptz;
update letter set entered_at = settled_at where state in ('handed over', 'refused', 'suppressed');
