-- +goose Up
-- Work on cards that only one process may do at a time. holder is the call that
-- does it, ends_at the end of its lease.
create table card_lock (
    name    text   not null primary key,
    holder  text   not null,
    ends_at bigint not null
);

-- The cards that addcard has created and WeChat has confirmed. definition is the
-- hash of the card with its pictures.
create table card_created (
    card_id    text   not null primary key,
    definition text   not null,
    created_at bigint not null
);
create index card_created_definition on card_created (definition, created_at);

-- The latest event of each card about its review. reason is '' unless the card was
-- refused.
create table card_review (
    card_id     text   not null primary key,
    reason      text   not null,
    reviewed_at bigint not null
);

-- The pictures that addcard has uploaded: WeChat's URL, and the hash of the picture.
create table picture (
    url     text not null primary key,
    content text not null
);

-- +goose Down
drop table picture;
drop table card_review;
drop table card_created;
drop table card_lock;
