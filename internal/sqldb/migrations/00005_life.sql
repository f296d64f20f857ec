-- +goose Up
-- The data that decides the status and the holder of a card, independent of the
-- order in which events arrive: the latest moment at which it was taken and the
-- latest at which it was deleted (package member defines a moment), whether the
-- form was submitted, the moment of the latest OuterStr, the Official Account's
-- openid that has it in the wallet, and the code that it had at the giver.
-- version guards every change.
alter table member_card add column held_at bigint not null default 0;
alter table member_card add column deleted_at bigint not null default 0;
alter table member_card add column outer_at bigint not null default 0;
alter table member_card add column submitted bigint not null default 0;
alter table member_card add column wallet text not null default '';
alter table member_card add column given_from text not null default '';
alter table member_card add column version bigint not null default 1;
create index member_card_given on member_card (card_id, given_from) where given_from <> '';

-- Every card event of WeChat, once. dedupe_key is a hash by which four deliveries
-- of an event are one row and two events of the same second are two.
create table event (
    dedupe_key  text   not null primary key,
    event       text   not null,
    card_id     text   not null,
    code        text   not null,
    openid      text   not null,
    happened_at bigint not null,
    received_at bigint not null,
    fields      text   not null
);
create index event_card on event (card_id, code);

-- Messages for WeChat. Those of one card are sent in the order of seq, one at a
-- time; a row is deleted when it is done.
create table outbox (
    outbox_id   text   not null primary key,
    card_id     text   not null,
    code        text   not null,
    seq         bigint not null,
    kind        text   not null,
    payload     text   not null default '',
    state       text   not null default 'waiting' check (state in ('waiting', 'dead')),
    attempts    bigint not null default 0,
    started     bigint not null default 0,
    due_at      bigint not null,
    lease_owner text   not null default '',
    lease_until bigint not null default 0,
    last_error  text   not null default '',
    created_at  bigint not null,
    unique (card_id, code, seq)
);
create index outbox_due on outbox (state, due_at);

-- Identities that seem to be one person but cannot be. The operator decides.
create table identity_conflict (
    app_id          text   not null,
    openid          text   not null,
    member_id       text   not null,
    other_member_id text   not null,
    created_at      bigint not null,
    primary key (app_id, openid, other_member_id)
);

-- +goose Down
drop table identity_conflict;
drop table outbox;
drop table event;
drop index member_card_given;
alter table member_card drop column version;
alter table member_card drop column given_from;
alter table member_card drop column wallet;
alter table member_card drop column submitted;
alter table member_card drop column outer_at;
alter table member_card drop column deleted_at;
alter table member_card drop column held_at;
