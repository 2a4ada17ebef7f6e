-- How sign-ins went, by ten minutes, for the whole service: numbers and nothing of anybody. The usual is taken from here.
create table sign_in_window (
  window_start timestamptz primary key,
  tried bigint not null default 0,
  failed bigint not null default 0,
  -- Of the failed, those at addresses that have no account.
  unknown bigint not null default 0,
  -- Networks that failed, counted by each process and added up.
  networks bigint not null default 0,
  judged boolean not null default false
);
