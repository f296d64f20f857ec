-- +goose Up
-- The openids of people who were erased, as hashes: an event from before the erasure
-- may still arrive. The next erasure after a week deletes a row.
create table erased_openid (
    hash      text   not null primary key,
    erased_at bigint not null
);

-- +goose Down
drop table erased_openid;
