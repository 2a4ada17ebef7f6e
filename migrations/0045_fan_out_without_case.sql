-- An older copy of the database that is noticed, and a containment that was carried out after a crash, end everybody's sessions
-- too, and belong to no case.
alter table signal_fan_out alter column incident_id drop not null;
alter table signal_fan_out add column cause text not null default 'contained';
alter table signal_fan_out alter column cause drop default;
