-- Passwords that were refused when a renewal took their place, until the case is closed: whoever took them may know them by now,
-- so nobody chooses them again. They let nobody in.
create table refused_password (
  account_id uuid not null,
  salt bytea not null,
  parameters text not null,
  record bytea not null,
  replaced_at timestamptz not null,
  primary key (account_id, salt)
);
create index refused_password_in_order on refused_password (replaced_at);
