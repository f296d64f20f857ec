-- The same text for SQLite and PostgreSQL. Times are Unix milliseconds by the
-- clock of the database, durations are milliseconds.

-- +goose Up
-- The shared copy of one credential (value is sealed, or '' without a copy) and
-- the lease of the replica that may fetch the next. owner is '' when the lease is
-- free (lease_ends_at is in the past) or a back-off.
create table ticket (
    name          text   not null primary key,
    value         text   not null default '',
    value_fence   bigint not null default 0,
    life          bigint not null default 0,
    ends_at       bigint not null default 0,
    saved_at      bigint not null default 0,
    rejected      bigint not null default 0,
    owner         text   not null,
    fence         bigint not null,
    failures      bigint not null default 0,
    granted_at    bigint not null,
    lease_ends_at bigint not null
);

-- +goose Down
drop table ticket;
