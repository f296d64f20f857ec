-- +goose Up
-- 1: the row is the form of its code, and phone the keyed hash of the normalized
-- number. 0: an earlier version wrote it, with the hash of the number as it was
-- typed. The job of member.Service.IndexForms turns 0 into 1.
alter table form add column indexed bigint not null default 0;
create index form_unindexed on form (indexed, ticket_hash) where indexed = 0 and sealed <> '';

-- +goose Down
drop index form_unindexed;
alter table form drop column indexed;
