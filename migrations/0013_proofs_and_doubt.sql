-- How a session's holder last proved who they are, and when they last proved it by more than a password. A row that says
-- nothing was handed over by another device and has proved nothing.
alter table session
  add column proof text not null default 'linked'
    check (proof in ('linked', 'password', 'passkey', 'password+totp', 'host')),
  add column strongly_proved_at timestamptz;
update session set proof = 'password' where proved_at > to_timestamp(0);

-- One row for each containment: what was added at or after `since`, by something older than `epoch`, does not count until
-- its owner confirms it. Owner: credentials. Small, and read by every check of a credential.
create table added_since (
  epoch bigint primary key,
  since timestamptz not null
);

alter table account_address
  -- The address that the account began with: nothing older could confirm it, so it always counts.
  add column founding boolean not null default false,
  -- The epoch of the session in which the owner said that it is theirs; 0: never asked.
  add column confirmed_epoch bigint not null default 0,
  -- Set when this one row does not count: its account was contained.
  add column doubted_at timestamptz;
update account_address d set founding = true
 where not exists (
   select from account_address e
    where e.account_id = d.account_id and (e.confirmed_at, e.id) < (d.confirmed_at, d.id)
 );
