-- What people did in a case, apart from its letters: one row in a million of its entries, once everybody has been told.
create index timeline_entry_acts on timeline_entry (incident_id, id)
  where incident_id is not null and kind not in ('letter', 'bounce');
