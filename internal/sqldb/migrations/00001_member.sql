-- The same text for SQLite and PostgreSQL. Times are Unix milliseconds; 0 means
-- not yet.

-- +goose Up
create table member (
    member_id  text   not null primary key,
    created_at bigint not null
);

-- A person has one identity per WeChat app. unionid is '' while it is unknown.
create table identity (
    app_id     text   not null,
    openid     text   not null,
    unionid    text   not null default '',
    member_id  text   not null references member (member_id),
    created_at bigint not null,
    primary key (app_id, openid)
);
create index identity_member on identity (member_id);
create index identity_unionid on identity (unionid) where unionid <> '';

-- seq is the number of ledger entries of the card. It is a column of this table
-- so that the guarded update that changes the totals also numbers the entry.
create table member_card (
    card_id           text   not null,
    code              text   not null,
    member_id         text   not null references member (member_id),
    status            text   not null check (status in ('issued', 'claimed', 'active', 'deleted', 'gifted', 'unavailable')),
    bonus             bigint not null default 0 check (bonus >= 0),
    balance           bigint not null default 0 check (balance >= 0),
    seq               bigint not null default 0,
    membership_number text   not null default '',
    custom_field1     text   not null default '',
    custom_field2     text   not null default '',
    custom_field3     text   not null default '',
    outer_str         text   not null default '',
    created_at        bigint not null,
    issued_at         bigint not null default 0,
    claimed_at        bigint not null default 0,
    activated_at      bigint not null default 0,
    primary key (card_id, code)
);
create index member_card_member on member_card (member_id, card_id);
-- Of concurrent first calls of one member only one can issue a code.
create unique index member_card_issued on member_card (member_id, card_id) where status = 'issued';

-- +goose Down
drop table member_card;
drop table identity;
drop table member;
