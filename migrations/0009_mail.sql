-- The built-in mailbox: what would have been sent, for a service without a relay. Owner: mail. Sealed at rest.
create table mailbox_letter (
  id uuid primary key,
  at timestamptz not null,
  message_id text not null,
  sealed bytea not null
);
create index mailbox_letter_by_time on mailbox_letter (at);
