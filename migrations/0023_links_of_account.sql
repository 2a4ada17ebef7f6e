-- A completed renewal ends the links that wait for their device.
create index link_of_account on link (account_id) where state = 'approved' and claimed_at is null;
