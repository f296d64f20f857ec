-- +goose Up
-- The catalogue: doc is what WeChat says of the card, settings is what the
-- operator chose here, both as JSON.
create table card (
    card_id  text   not null primary key,
    doc      text   not null,
    settings text   not null default '{}',
    read_at  bigint not null
);

-- How many of something the whole fleet did in the current time slot.
create table allowance (
    name text   not null primary key,
    slot bigint not null,
    used bigint not null
);

-- When a job that one replica does for all was last taken up.
create table schedule (
    name     text   not null primary key,
    taken_at bigint not null
);

-- +goose Down
drop table schedule;
drop table allowance;
drop table card;
