-- Who this database is. A copy keeps the identity, which is how the witness recognises a copy.
create table instance (
  only_row boolean primary key check (only_row),
  id uuid not null
);
insert into instance (only_row, id) values (true, gen_random_uuid());

-- One row for each kind of thing that opens something: the lowest epoch still accepted. Owner: credentials.
-- The current epoch is the highest of them. Every check reads this table, so it stays this small for ever.
create table floor (
  kind text primary key,
  epoch bigint not null check (epoch >= 1),
  raised_at timestamptz
);
insert into floor (kind, epoch)
select kind, 1
  from unnest(array['password', 'browser', 'tv', 'app', 'tool', 'ticket', 'code', 'link', 'passkey', 'totp', 'recovery']) kind;

-- Floors only rise, whoever writes: a bug or an intruder with the web process's rights cannot lower one.
create function floor_only_rises() returns trigger language plpgsql as $$
begin
  if tg_op = 'DELETE' or new.epoch < old.epoch or new.kind <> old.kind then
    raise exception 'a floor only rises';
  end if;
  return new;
end $$;
create trigger floor_only_rises before update or delete on floor for each row execute function floor_only_rises();
