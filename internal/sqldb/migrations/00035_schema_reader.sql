-- +goose Up
-- The schema version of the earliest program that works on these tables, so that a
-- program may go back to the version before. A migration after which earlier programs
-- fail, or do harm, sets it to its own number.
create table schema_reader (
    oldest bigint not null
);
insert into schema_reader (oldest) values (35);

-- +goose Down
drop table schema_reader;
