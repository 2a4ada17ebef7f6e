-- Rises with each account that is contained by itself, so that the witness knows of a copy that it lies before: the password
-- that the containment refused is good in it. Nothing is compared with it.
insert into floor (kind, epoch) values ('account', 1);
