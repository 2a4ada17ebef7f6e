-- A campaign that is paused hands nothing over until somebody lets it go on; nothing is lost by it.
alter table campaign add column paused_at timestamptz;
alter table campaign add column paused_by text;

-- How fast letters leave is read every few seconds while they do.
create index letter_by_hand_over on letter (incident_id, settled_at) where state = 'handed over';
