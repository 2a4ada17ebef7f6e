-- Whose role as an operator a containment has found to count; null for one from before this was asked, under which all do.
alter table added_since add column operators uuid[];
