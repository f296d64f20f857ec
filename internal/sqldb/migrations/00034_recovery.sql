-- +goose Up
-- A database that was restored from a copy does not know what came after the copy. The
-- row named copy is there from then on, and the recovery lasts until the operator ends it.
-- copied_at is 0 if it is unknown. began_at is 0 until a server has begun the recovery.
-- phase and after_* say how far the search at WeChat is. ended_at is 0 while it lasts.
create table recovery (
    name         text   not null primary key,
    copied_at    bigint not null,
    began_at     bigint not null default 0,
    phase        bigint not null default 0,
    after_first  text   not null default '',
    after_second text   not null default '',
    found        bigint not null default 0,
    ended_at     bigint not null default 0
);
-- The member cards of the copy whose faces may show more than their ledgers know. While
-- the state is unread or differs, nothing is booked on the card and nothing is sent
-- to WeChat. The rows stay until the next recovery.
create table recovery_card (
    card_id      text   not null,
    code         text   not null,
    state        text   not null default 'unread'
        check (state in ('unread', 'differs', 'equal', 'unsent', 'adopted', 'absent', 'left')),
    bonus        bigint not null default 0,
    balance      bigint not null default 0,
    face_bonus   bigint not null default 0,
    face_balance bigint not null default 0,
    looked_at    bigint not null default 0,
    primary key (card_id, code)
);
create index recovery_card_unread on recovery_card (card_id, code) where state = 'unread';
create index recovery_card_differing on recovery_card (card_id, code) where state in ('differs', 'adopted', 'unsent', 'left');
-- What a backup contains, for its restoration; empty in a database that is in use.
create table backup_sum (
    table_name text   not null primary key,
    row_count  bigint not null,
    bonus      bigint not null,
    balance    bigint not null,
    digest     text   not null
);
-- Sessions that began before this time are over; see the recovery.
alter table revocation add column not_before bigint not null default 0;

-- +goose Down
alter table revocation drop column not_before;
drop table backup_sum;
drop table recovery_card;
drop table recovery;
