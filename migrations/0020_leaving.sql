-- When an account whose owner asked for its deletion is deleted; null otherwise.
alter table account add column delete_after timestamptz;
create index account_to_delete on account (delete_after) where delete_after is not null;
-- A registration keeps the address of the account it became until its code runs out: deleting the account finds it.
create index sign_up_of_account on sign_up (account_id);
