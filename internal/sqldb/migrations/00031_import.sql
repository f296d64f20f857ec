-- +goose Up
-- The accounts of people in the shop's former system. An account has a ledger, whose
-- name is account_id and whose opening entry is bonus and balance. It waits until its
-- person is proved to be a member, which sets member_id, and that member has a card,
-- which sets joined_code. phone is a keyed hash; sealed is what only the operator sees.
create table imported (
    account_id        text   not null primary key,
    import_id         text   not null default '',
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

-- Imports of files. The name and the key of a line identify the line, so that a file
-- that is imported again changes nothing. One replica, or a command, works on an import
-- at a time, and leases it. total is the number of lines of the file; the other counts
-- are those of the last run.
create table import (
    import_id   text   not null primary key,
    name        text   not null,
    card_id     text   not null,
    actor       text   not null,
    dry_run     bigint not null,
    options     text   not null,
    state       text   not null check (state in ('running', 'done', 'refused', 'failed')),
    problem     text   not null default '',
    total       bigint not null default 0,
    lines       bigint not null default 0,
    waiting     bigint not null default 0,
    joined      bigint not null default 0,
    unchanged   bigint not null default 0,
    refused     bigint not null default 0,
    created_at  bigint not null,
    ended_at    bigint not null default 0,
    lease_owner text   not null default '',
    lease_until bigint not null default 0
);
create unique index import_name on import (name, card_id, dry_run);
create index import_listed on import (created_at, import_id);
create index import_running on import (lease_until) where state = 'running';

-- The file of an import that the replicas work on, until it ends: content is compressed
-- and encrypted.
create table import_file (
    import_id text not null primary key,
    content   text not null
);

-- What became of the lines. line_key and digest are hashes, unless digest is empty: then
-- the row is forgotten when the import begins again.
create table import_line (
    import_id  text   not null,
    line_key   text   not null,
    line       bigint not null,
    digest     text   not null,
    outcome    text   not null,
    heading    text   not null,
    reason     text   not null,
    account_id text   not null,
    primary key (import_id, line_key)
);
create index import_line_listed on import_line (import_id, line, line_key);

-- +goose Down
drop table import_line;
drop table import_file;
drop table import;
drop table imported;
