-- Rows that are written after a failure, to see whether the database can be
-- written again, and deleted at once.

-- +goose Up
create table write_probe (filler text not null);

-- +goose Down
drop table write_probe;
