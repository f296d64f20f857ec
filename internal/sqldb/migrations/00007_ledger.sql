-- +goose Up

-- A card's ledger is named for the code under which it began, because it goes
-- along when the card is given away and gets another code. seq, bonus and
-- balance are its last entry's; told is the seq up to which WeChat is being
-- told, fields_due the custom fields that it is not told of yet (one bit each,
-- and one more each to notify the holder of it).
alter table member_card add column ledger text not null default '';
alter table member_card add column told bigint not null default 0;
alter table member_card add column fields_due bigint not null default 0;
update member_card set ledger = code;

-- The ledger: one row per change, never changed itself (00009 sees to that).
-- bonus and balance are the totals after it. route and idempotency_key, '' for
-- an entry that nobody asked for, are where it came from, payload and answer what
-- was asked, as a hash, and what was said.
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
