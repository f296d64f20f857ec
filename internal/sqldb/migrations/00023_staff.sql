-- +goose Up
-- The people who work with the console, the till or a token of their own. The owner
-- has no row.
create table staff (
    staff_id   text   not null primary key,
    name       text   not null unique,
    role       text   not null check (role in ('manager', 'cashier')),
    created_at bigint not null
);

-- What proves that someone is one of them, or the owner (staff_id is 'owner'): a link
-- to sign in with once, the session that it begins, or a token for a program. hash is
-- that of the secret, which is not stored. expires_at is 0 for a token.
create table staff_key (
    key_id     text   not null primary key,
    staff_id   text   not null,
    kind       text   not null check (kind in ('link', 'session', 'token')),
    hash       text   not null unique,
    label      text   not null,
    created_at bigint not null,
    expires_at bigint not null,
    used_at    bigint not null default 0
);
create index staff_key_staff on staff_key (staff_id, kind, created_at);

-- The shop's settings, as JSON, in the row named 'shop'.
create table shop (
    name     text not null primary key,
    settings text not null
);

-- +goose Down
drop table shop;
drop table staff_key;
drop table staff;
