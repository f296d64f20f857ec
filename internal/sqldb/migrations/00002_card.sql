-- +goose Up
-- The catalogue: doc is the card as WeChat returns it, settings are those of the
-- operator, both as JSON.
create table card (
    card_id  text   not null primary key,
    doc      text   not null,
    settings text   not null default '{}',
    read_at  bigint not null
);

-- How often the fleet has done something in the current time slot.
create table allowance (
    name text   not null primary key,
    slot bigint not null,
    used bigint not null
);

-- When a job that one replica does for the fleet was last started.
create table schedule (
    name     text   not null primary key,
    taken_at bigint not null
);

-- +goose Down
drop table schedule;
drop table allowance;
drop table card;
