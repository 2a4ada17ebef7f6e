-- Which of its account's addresses a renewal was asked for by: an address that is removed meanwhile proves nothing any more. Null for a
-- recovery, for an address that nobody has, and for the tickets of the last day, which were made before there was this column.
alter table ticket add column address_id uuid;
