-- A campaign has a key of its own, random and sealed, for its Message-IDs, Return-Paths and the hashes of addresses in the timeline.
-- It was derived from the key of addresses: once that was retired, letters that came back were nobody's, and no letter had a
-- receipt any more. Campaigns from before go on with what was derived; their index_version says of which.
alter table campaign add column data_key bytea;
alter table campaign add column sealed_key bytea;
alter table campaign add constraint campaign_key_is_whole check ((data_key is null) = (sealed_key is null));
