-- One text for SQLite and PostgreSQL. Times are Unix milliseconds, 0 when not yet.

-- +goose Up
create table member (
    member_id  text   not null primary key,
    created_at bigint not null
);

-- A person has one identity per WeChat app; unionid is '' while WeChat gave none.
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

-- seq counts the ledger entries of the card; it lives here so that the guarded
-- update that moves the totals also numbers the entry.
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
-- Concurrent first calls of one member: the database lets one code through.
create unique index member_card_issued on member_card (member_id, card_id) where status = 'issued';

-- +goose Down
drop table member_card;
drop table identity;
drop table member;
