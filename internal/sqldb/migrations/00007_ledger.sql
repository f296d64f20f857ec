-- +goose Up

-- A ledger has the name of the first code of its card, because it stays with the
-- card when the card is given away and gets another code. seq, bonus and balance
-- are those of its last entry. told is the seq up to which pushes to WeChat exist.
-- fields_due are the custom fields that WeChat has not been sent yet (one bit
-- each, and another bit each to notify the holder).
alter table member_card add column ledger text not null default '';
alter table member_card add column told bigint not null default 0;
alter table member_card add column fields_due bigint not null default 0;
update member_card set ledger = code;

-- The ledger: one row per change, append-only (see 00009). bonus and balance are
-- the totals after the entry. route and idempotency_key identify the request, or
-- are '' for an entry without a request. payload is the hash of the request,
-- answer is the answer to it.
create table entry (
    entry_id        text   not null primary key,
    card_id         text   not null,
    ledger          text   not null,
    seq             bigint not null,
    add_bonus       bigint not null,
    bonus           bigint not null check (bonus >= 0),
    add_balance     bigint not null,
    balance         bigint not null check (balance >= 0),
    record_bonus    text   not null,
    record_balance  text   not null,
    notify_bonus    bigint not null,
    notify_balance  bigint not null,
    reverses        text   not null,
    route           text   not null,
    idempotency_key text   not null,
    payload         text   not null,
    answer          text   not null,
    request_id      text   not null,
    created_at      bigint not null
);

create unique index entry_ledger on entry (card_id, ledger, seq);
create unique index entry_idempotency on entry (idempotency_key, route) where idempotency_key <> '';
create unique index entry_reverses on entry (reverses) where reverses <> '';

-- +goose Down
drop table entry;
alter table member_card drop column fields_due;
alter table member_card drop column told;
alter table member_card drop column ledger;
