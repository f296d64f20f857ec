-- +goose Up
-- Until when no replica with one AppSecret may fetch a credential, because the
-- last fetch with it failed. secret is a keyed hash of the AppSecret, or ''.
-- Replicas of the previous version keep their back-off in table ticket.
create table ticket_backoff (
    name     text   not null,
    secret   text   not null,
    ends_at  bigint not null,
    failures bigint not null,
    primary key (name, secret)
);

-- +goose Down
drop table ticket_backoff;
