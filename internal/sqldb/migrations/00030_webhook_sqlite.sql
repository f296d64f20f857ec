-- +goose Up

-- Endpoints of other systems that are told what happens. The secrets are sealed with
-- DATA_KEYS; the previous one also signs until previous_until. failures counts the
-- attempts in a row that the endpoint did not answer; until paused_until it gets none.
-- An endpoint that was removed stays, disabled, until its deliveries are deleted.
create table webhook (
    webhook_id      text   not null primary key,
    url             text   not null,
    description     text   not null,
    enabled         bigint not null,
    disabled_reason text   not null default '',
    removed         bigint not null default 0,
    secret          text   not null,
    previous_secret text   not null default '',
    previous_until  bigint not null default 0,
    created_at      bigint not null,
    failures        bigint not null default 0,
    paused_until    bigint not null default 0,
    last_success_at bigint not null default 0,
    last_error      text   not null default ''
) without rowid;

-- Which types of events an endpoint gets; '*' is all.
create table webhook_subscription (
    type       text not null,
    webhook_id text not null,
    primary key (type, webhook_id)
) without rowid;

-- One row for each member with waiting deliveries, and for each card (queue 'card …')
-- with waiting deliveries about no member. The oldest delivery of a queue is sent after
-- due_at. While it is sent, lease names the sender, and due_at is the end of its lease.
create table webhook_queue (
    webhook_id text   not null,
    queue      text   not null,
    due_at     bigint not null,
    lease      text   not null default '',
    primary key (webhook_id, queue)
) without rowid;
create index webhook_queue_due on webhook_queue (webhook_id, due_at);

-- What an endpoint is told, in the order of seq within a queue. data is JSON: what the
-- event says besides its card_id, code and member_id. A row is never changed in what it
-- tells, so that every attempt sends the same. ended_at is 0 while the state is waiting.
create table webhook_delivery (
    seq         integer not null primary key autoincrement,
    webhook_id  text   not null,
    queue       text   not null,
    event_id    text   not null unique,
    type        text   not null,
    member_id   text   not null,
    card_id     text   not null,
    code        text   not null,
    data        text   not null,
    happened_at bigint not null,
    state       text   not null default 'waiting' check (state in ('waiting', 'dead', 'done')),
    attempts    bigint not null default 0,
    last_error  text   not null default '',
    ended_at    bigint not null default 0
);
create index webhook_delivery_waiting on webhook_delivery (webhook_id, queue, seq) where state = 'waiting';
create index webhook_delivery_oldest on webhook_delivery (webhook_id, happened_at, seq) where state = 'waiting';
create index webhook_delivery_dead on webhook_delivery (webhook_id, happened_at, seq) where state = 'dead';
create index webhook_delivery_listed on webhook_delivery (webhook_id, happened_at, seq);
create index webhook_delivery_done on webhook_delivery (ended_at) where state = 'done';
create index webhook_delivery_member on webhook_delivery (member_id) where member_id <> '';
create index webhook_delivery_card on webhook_delivery (card_id, code) where code <> '';

-- An event is told by an insert into this view, by whatever transaction causes it. It
-- becomes a delivery for each enabled endpoint that subscribes to its type. The row of
-- the queue is locked before the delivery gets its number: so of two transactions about
-- a member the one that commits first has the lower number. Nothing is told about a
-- member who was erased but what became of the codes, without the member.
create view webhook_event as select type, member_id, card_id, code, data from webhook_delivery;

-- +goose StatementBegin
create trigger webhook_event_is_told instead of insert on webhook_event
begin
    insert into webhook_queue (webhook_id, queue, due_at)
        select w.webhook_id, case when m.member_id <> '' then m.member_id else 'card ' || new.card_id end,
            cast(unixepoch('subsec') * 1000 as integer)
        from webhook_subscription s join webhook w on w.webhook_id = s.webhook_id
        join (select case when exists (select 1 from member where member_id = new.member_id and erased_at > 0)
            then '' else new.member_id end as member_id) m
        where s.type in (new.type, '*') and w.enabled = 1
        on conflict (webhook_id, queue) do nothing;
    insert into webhook_delivery (webhook_id, queue, event_id, type, member_id, card_id, code, data, happened_at)
        select w.webhook_id, case when m.member_id <> '' then m.member_id else 'card ' || new.card_id end,
            'evt_' || printf('%012x', cast(unixepoch('subsec') * 1000 as integer)) || lower(hex(randomblob(10))),
            new.type, m.member_id, new.card_id, new.code, new.data, cast(unixepoch('subsec') * 1000 as integer)
        from webhook_subscription s join webhook w on w.webhook_id = s.webhook_id
        join (select case when exists (select 1 from member where member_id = new.member_id and erased_at > 0)
            then '' else new.member_id end as member_id) m
        where s.type in (new.type, '*') and w.enabled = 1;
end;
-- +goose StatementEnd

-- Triggers tell what happens, in the transaction in which it happens: no statement can
-- be forgotten. Package webhook describes the events.
-- +goose StatementBegin
create trigger member_is_told after insert on member
    when new.erased_at = 0
begin
    insert into webhook_event (type, member_id, card_id, code, data) values ('member.created', new.member_id, '', '', '{}');
end;
-- +goose StatementEnd

-- A member who turns out to be another one is deleted, often in the transaction that
-- made the row, because a card came before its holder was known.
-- +goose StatementBegin
create trigger joined_member_is_not_told after delete on member
begin
    delete from webhook_delivery where member_id = old.member_id and type = 'member.created' and state = 'waiting';
end;
-- +goose StatementEnd

-- +goose StatementBegin
create trigger new_card_is_told after insert on member_card
begin
    insert into webhook_event (type, member_id, card_id, code, data)
        select t.type, new.member_id, new.card_id, new.code, json_object(
            'status', new.status, 'outer_str', new.outer_str, 'given_from', new.given_from)
        from (
            select 1 as n, 'card.claimed' as type where new.status in ('claimed', 'active')
            union all select 2, 'form.submitted' where new.submitted = 1
            union all select 3, 'card.activated' where new.activated_at > 0
            union all select 4, 'card.deleted' where new.status = 'deleted'
            union all select 5, 'card.gifted' where new.status = 'gifted'
        ) t order by t.n;
end;
-- +goose StatementEnd

-- +goose StatementBegin
create trigger card_is_told after update of status, submitted, activated_at, member_id on member_card
    when (old.status, old.submitted, old.member_id, case old.activated_at when 0 then 0 else 1 end)
        <> (new.status, new.submitted, new.member_id, case new.activated_at when 0 then 0 else 1 end)
begin
    insert into webhook_event (type, member_id, card_id, code, data)
        select t.type, new.member_id, new.card_id, new.code, json_object(
            'status', new.status, 'outer_str', new.outer_str, 'given_from', new.given_from)
        from (
            select 1 as n, 'card.claimed' as type where old.status = 'issued' and new.status in ('claimed', 'active')
            union all select 2, 'card.restored' where old.status = 'deleted' and new.status in ('claimed', 'active')
            union all select 3, 'form.submitted' where old.submitted = 0 and new.submitted = 1
            union all select 4, 'card.activated' where old.activated_at = 0 and new.activated_at > 0
            union all select 5, 'card.deleted' where old.status <> 'deleted' and new.status = 'deleted'
            union all select 6, 'card.gifted' where old.status <> 'gifted' and new.status = 'gifted'
            union all select 7, 'card.unavailable' where new.status = 'unavailable' and (old.status <> 'unavailable'
                or exists (select 1 from member where member_id = new.member_id and erased_at > 0))
        ) t order by t.n;
end;
-- +goose StatementEnd

-- When two members are joined or parted, what waits about a card stays before what comes.
-- +goose StatementBegin
create trigger moved_card_is_told after update of member_id on member_card
    when old.member_id <> new.member_id
begin
    update webhook_delivery set queue = new.member_id
        where state = 'waiting' and queue = old.member_id and card_id = new.card_id and code = new.code and code <> '';
    insert into webhook_queue (webhook_id, queue, due_at)
        select distinct d.webhook_id, d.queue, cast(unixepoch('subsec') * 1000 as integer) from webhook_delivery d
        where d.state = 'waiting' and d.queue = new.member_id and d.card_id = new.card_id and d.code = new.code and d.code <> ''
        on conflict (webhook_id, queue) do nothing;
end;
-- +goose StatementEnd

-- +goose StatementBegin
create trigger entry_is_told after insert on entry
    when exists (select 1 from webhook_subscription where type in ('entry.created', '*'))
begin
    insert into webhook_event (type, member_id, card_id, code, data)
        select 'entry.created', c.member_id, c.card_id, c.code, json_object(
            'entry_id', new.entry_id, 'seq', new.seq, 'add_bonus', new.add_bonus, 'bonus', new.bonus,
            'add_balance', new.add_balance, 'balance', new.balance, 'record_bonus', new.record_bonus,
            'record_balance', new.record_balance, 'reverses', new.reverses,
            'actor', new.actor, 'store', new.store, 'order', new.order_id)
        from member_card c where c.card_id = new.card_id and c.code = coalesce(
            (select m.code from member_card m where m.card_id = new.card_id and m.ledger = new.ledger and m.ledger <> m.code),
            new.ledger);
end;
-- +goose StatementEnd

-- +goose StatementBegin
create trigger parked_push_is_told after update of state on outbox
    when new.state = 'dead' and old.state <> 'dead'
begin
    insert into webhook_event (type, member_id, card_id, code, data)
        select 'push.parked', coalesce(max(c.member_id), ''), new.card_id, new.code, json_object(
            'message_id', new.outbox_id, 'kind', new.kind, 'last_error', new.last_error)
        from member_card c where c.card_id = new.card_id and c.code = new.code;
end;
-- +goose StatementEnd

-- +goose StatementBegin
create trigger review_is_told after insert on card_review
begin
    insert into webhook_event (type, member_id, card_id, code, data)
        values ('card.reviewed', '', new.card_id, '', json_object('status',
            case new.reason when '' then 'CARD_STATUS_VERIFY_OK' else 'CARD_STATUS_VERIFY_FAIL' end, 'refuse_reason', new.reason));
end;
-- +goose StatementEnd

-- +goose StatementBegin
create trigger next_review_is_told after update of reviewed_at on card_review
    when old.reviewed_at <> new.reviewed_at
begin
    insert into webhook_event (type, member_id, card_id, code, data)
        values ('card.reviewed', '', new.card_id, '', json_object('status',
            case new.reason when '' then 'CARD_STATUS_VERIFY_OK' else 'CARD_STATUS_VERIFY_FAIL' end, 'refuse_reason', new.reason));
end;
-- +goose StatementEnd

-- +goose StatementBegin
create trigger low_stock_is_told after update of doc on card
    when coalesce(json_extract(old.doc, '$.quantity'), -1) >= 100 and coalesce(json_extract(new.doc, '$.quantity'), -1) between 0 and 99
begin
    insert into webhook_event (type, member_id, card_id, code, data)
        values ('stock.low', '', new.card_id, '', json_object('quantity', json_extract(new.doc, '$.quantity')));
end;
-- +goose StatementEnd

-- +goose Down
drop trigger low_stock_is_told;
drop trigger next_review_is_told;
drop trigger review_is_told;
drop trigger parked_push_is_told;
drop trigger entry_is_told;
drop trigger moved_card_is_told;
drop trigger card_is_told;
drop trigger new_card_is_told;
drop trigger joined_member_is_not_told;
drop trigger member_is_told;
drop view webhook_event;
drop table webhook_delivery;
drop table webhook_queue;
drop table webhook_subscription;
drop table webhook;
