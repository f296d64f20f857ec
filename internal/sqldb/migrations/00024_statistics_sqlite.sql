-- +goose Up

-- The figures of the shop by card, day and channel (outer_str), and under the card_id
-- '' those of all cards together. day is the number of days since 1970-01-01 in the
-- shop's time zone. The columns are sums; package statistics defines them. They contain
-- nothing about a person.
create table statistic (
    card_id       text   not null,
    day           bigint not null,
    channel       text   not null,
    issued        bigint not null,
    claimed       bigint not null,
    activated     bigint not null,
    deleted       bigint not null,
    bonus_given   bigint not null,
    bonus_spent   bigint not null,
    balance_given bigint not null,
    balance_spent bigint not null,
    entries       bigint not null,
    primary key (card_id, day, channel)
) without rowid;

-- How far the roll-up is: the time zone of the days; whether the rows of the zone
-- before are deleted; up to which member card and entry those are counted that were
-- there before; and the time before which everything is counted, or 0. Its only row
-- is locked by the transaction that counts.
create table statistic_progress (
    name         text   not null primary key,
    zone         text   not null,
    cleared      bigint not null,
    card_id      text   not null,
    code         text   not null,
    cards_done   bigint not null,
    entry_id     text   not null,
    entries_done bigint not null,
    until        bigint not null,
    steps        bigint not null
);
insert into statistic_progress (name, zone, cleared, card_id, code, cards_done, entry_id, entries_done, until, steps)
    values ('statistics', '', 0, '', '', 0, '', 0, 0, 0);

-- Changes of member cards that are not counted yet: what the figures depend on,
-- before (was_) and after. A row is deleted when it is counted. change_id begins with
-- the time, so that rows that are added together are on one page.
create table uncounted_card (
    change_id        text   not null primary key,
    card_id          text   not null,
    code             text   not null,
    version          bigint not null,
    was_status       text   not null default '',
    was_outer_str    text   not null default '',
    was_given_from   text   not null default '',
    was_issued_at    bigint not null default 0,
    was_claimed_at   bigint not null default 0,
    was_activated_at bigint not null default 0,
    was_held_at      bigint not null default 0,
    was_deleted_at   bigint not null default 0,
    status           text   not null,
    outer_str        text   not null,
    given_from       text   not null,
    issued_at        bigint not null,
    claimed_at       bigint not null,
    activated_at     bigint not null,
    held_at          bigint not null,
    deleted_at       bigint not null
) without rowid; -- one tree to insert into, instead of two

-- Entries that are not counted yet.
create table uncounted_entry (entry_id text not null primary key) without rowid;

-- Triggers store what is not counted, in the transaction that changes it: no
-- statement can be forgotten, and none needs another round trip.

-- +goose StatementBegin
create trigger member_card_is_counted after insert on member_card
begin
    insert into uncounted_card (
        change_id, card_id, code, version, status, outer_str, given_from, issued_at, claimed_at, activated_at,
        held_at, deleted_at)
    values (
        printf('%012x', cast(unixepoch('subsec') * 1000 as integer)) || hex(randomblob(8)),
        new.card_id, new.code, new.version, new.status, new.outer_str, new.given_from,
        new.issued_at, new.claimed_at, new.activated_at, new.held_at, new.deleted_at);
end;
-- +goose StatementEnd

-- +goose StatementBegin
create trigger member_card_is_counted_again after update of
    status, outer_str, given_from, issued_at, claimed_at, activated_at, held_at, deleted_at
    on member_card
    when (old.status, old.outer_str, old.given_from, old.issued_at,
        old.claimed_at, old.activated_at, old.held_at, old.deleted_at)
    <> (new.status, new.outer_str, new.given_from, new.issued_at,
        new.claimed_at, new.activated_at, new.held_at, new.deleted_at)
begin
    insert into uncounted_card (
        change_id, card_id, code, version, was_status, was_outer_str, was_given_from, was_issued_at, was_claimed_at,
        was_activated_at, was_held_at, was_deleted_at, status, outer_str, given_from, issued_at, claimed_at,
        activated_at, held_at, deleted_at)
    values (
        printf('%012x', cast(unixepoch('subsec') * 1000 as integer)) || hex(randomblob(8)),
        new.card_id, new.code, new.version, old.status, old.outer_str, old.given_from,
        old.issued_at, old.claimed_at, old.activated_at, old.held_at, old.deleted_at, new.status, new.outer_str,
        new.given_from, new.issued_at, new.claimed_at, new.activated_at, new.held_at, new.deleted_at);
end;
-- +goose StatementEnd

-- +goose StatementBegin
create trigger entry_is_counted after insert on entry
begin
    insert into uncounted_entry (entry_id) values (new.entry_id);
end;
-- +goose StatementEnd

-- +goose Down
drop trigger entry_is_counted;
drop trigger member_card_is_counted_again;
drop trigger member_card_is_counted;
drop table uncounted_entry;
drop table uncounted_card;
drop table statistic_progress;
drop table statistic;
