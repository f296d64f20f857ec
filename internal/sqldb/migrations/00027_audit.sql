-- +goose Up
-- What was done through the operator's API, the console and the command line, apart
-- from entries of the ledger. A row is written before the work begins, and a row of
-- audit_outcome after it has ended. Both are append-only (see 00028). card_id, code
-- and subject name what it was done to, or are ''.
create table audit (
    audit_id   text   not null primary key,
    at         bigint not null,
    actor      text   not null,
    role       text   not null,
    source     text   not null,
    address    text   not null,
    action     text   not null,
    card_id    text   not null,
    code       text   not null,
    subject    text   not null,
    request_id text   not null
);
create index audit_at on audit (at, audit_id);
create index audit_actor on audit (actor, at, audit_id);
create index audit_action on audit (action, at, audit_id);
create index audit_card on audit (card_id, code, at, audit_id) where card_id <> '';
create index audit_subject on audit (subject, at, audit_id) where subject <> '';

create table audit_outcome (
    audit_id text   not null primary key,
    ended_at bigint not null,
    result   text   not null,
    problem  text   not null,
    changes  text   not null
);

-- +goose Down
drop table audit_outcome;
drop table audit;
