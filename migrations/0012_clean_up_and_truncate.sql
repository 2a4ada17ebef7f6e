-- Clean-up runs every hour and finds what is over by index: without these it would read every session there is.
create index session_by_expiry on session (expires_at);
create index session_by_end on session (ended_at) where ended_at is not null;
create index address_claim_by_expiry on address_claim (expires_at);
-- Containing one account ends its renewals.
create index ticket_of_account on ticket (account_id) where used_at is null;

-- `truncate` runs no trigger of rows: emptying a table that only rises or only grows is refused like any other change.
create or replace function floor_only_rises() returns trigger language plpgsql as $$
begin
  if tg_op <> 'UPDATE' or new.epoch < old.epoch or new.kind <> old.kind then
    raise exception 'a floor only rises';
  end if;
  return new;
end $$;
create trigger floor_only_rises_whole before truncate on floor
  for each statement execute function floor_only_rises();
create trigger timeline_only_grows_whole before truncate on timeline_entry
  for each statement execute function timeline_only_grows();
create trigger timeline_only_grows_whole before truncate on timeline_checkpoint
  for each statement execute function timeline_only_grows();
create trigger timeline_only_grows_whole before truncate on timeline_node
  for each statement execute function timeline_only_grows();
