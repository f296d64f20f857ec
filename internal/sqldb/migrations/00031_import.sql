-- +goose Up
-- The accounts of people in the shop's former system. An account has a ledger, whose
-- name is account_id and whose opening entry is bonus and balance. It waits until its
-- person is proved to be a member, which sets member_id, and that member has a card,
-- which sets joined_code. phone is a keyed hash; sealed is what only the operator sees.
create table imported (
    account_id        text   not null primary key,
    card_id           text   not null,
    code              text   not null,
    phone             text   not null,
    unionid           text   not null,
    openid            text   not null,
    membership_number text   not null,
    custom_field1     text   not null,
    custom_field2     text   not null,
    custom_field3     text   not null,
    bonus             bigint not null check (bonus >= 0),
    balance           bigint not null check (balance >= 0),
    sealed            text   not null,
    member_id         text   not null default '',
    joined_code       text   not null default '',
    created_at        bigint not null,
    bound_at          bigint not null default 0,
    joined_at         bigint not null default 0
);
create unique index imported_code on imported (code, card_id) where code <> '';
create unique index imported_phone on imported (phone, card_id) where phone <> '';
create unique index imported_unionid on imported (unionid, card_id) where unionid <> '';
create unique index imported_openid on imported (openid, card_id) where openid <> '';
create index imported_member on imported (member_id) where member_id <> '';
create index imported_joined on imported (joined_code, card_id) where joined_code <> '';
create index imported_number on imported (membership_number) where membership_number <> '';

-- +goose Down
drop table imported;
