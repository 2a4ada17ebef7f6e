-- That canaries were planted stands in the timeline a day later, and not behind the entries of the accounts that they are.
alter table canary add column recorded boolean not null default true;
alter table canary alter column recorded set default false;
