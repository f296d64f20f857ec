-- +goose Up
-- A row is here while a copy into this database is not finished: where it comes from,
-- without user and password. No server starts meanwhile.
create table unfinished_copy (
    source   text   not null primary key,
    began_at bigint not null
);

-- +goose Down
drop table unfinished_copy;
