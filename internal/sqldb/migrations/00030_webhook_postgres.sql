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
);

-- Which types of events an endpoint gets; '*' is all.
create table webhook_subscription (
    type       text not null,
    webhook_id text not null,
    primary key (type, webhook_id)
);

-- One row for each member with waiting deliveries, and for each card (queue 'card …')
-- with waiting deliveries about no member. The oldest delivery of a queue is sent after
-- due_at. While it is sent, lease names the sender, and due_at is the end of its lease.
create table webhook_queue (
    webhook_id text   not null,
    queue      text   not null,
    due_at     bigint not null,
    lease      text   not null default '',
    primary key (webhook_id, queue)
);
create index webhook_queue_due on webhook_queue (webhook_id, due_at);

-- What an endpoint is told, in the order of seq within a queue. data is JSON: what the
-- event says besides its card_id, code and member_id. A row is never changed in what it
-- tells, so that every attempt sends the same. ended_at is 0 while the state is waiting.
create table webhook_delivery (
    seq         bigint generated always as identity primary key,
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
create function webhook_tell() returns trigger language plpgsql as $$
declare
    member text := new.member_id;
    queue_ text;
begin
    if exists (select 1 from member m where m.member_id = new.member_id and m.erased_at > 0) then
        member := '';
    end if;
    queue_ := case when member <> '' then member else 'card ' || new.card_id end;
    insert into webhook_queue as q (webhook_id, queue, due_at)
        select w.webhook_id, queue_, now_ms()
        from webhook_subscription s join webhook w on w.webhook_id = s.webhook_id
        where s.type in (new.type, '*') and w.enabled = 1 order by w.webhook_id
        on conflict (webhook_id, queue) do update set due_at = q.due_at;
    insert into webhook_delivery (webhook_id, queue, event_id, type, member_id, card_id, code, data, happened_at)
        select w.webhook_id, queue_,
            'evt_' || lpad(to_hex(now_ms()), 12, '0') || left(replace(gen_random_uuid()::text, '-', ''), 20),
            new.type, member, new.card_id, new.code, new.data, now_ms()
        from webhook_subscription s join webhook w on w.webhook_id = s.webhook_id
        where s.type in (new.type, '*') and w.enabled = 1;
    return new;
end;
$$;
-- +goose StatementEnd

create trigger webhook_event_is_told instead of insert on webhook_event for each row execute function webhook_tell();

-- Triggers tell what happens, in the transaction in which it happens: no statement can
-- be forgotten. Package webhook describes the events.
-- +goose StatementBegin
create function webhook_member() returns trigger language plpgsql as $$
begin
    insert into webhook_event (type, member_id, card_id, code, data) values ('member.created', new.member_id, '', '', '{}');
    return null;
end;
$$;
-- +goose StatementEnd

create trigger member_is_told after insert on member for each row
    when (new.erased_at = 0)
    execute function webhook_member();

-- +goose StatementBegin
create function webhook_new_card() returns trigger language plpgsql as $$
begin
    insert into webhook_event (type, member_id, card_id, code, data)
        select t.type, new.member_id, new.card_id, new.code, json_build_object(
            'status', new.status, 'outer_str', new.outer_str, 'given_from', new.given_from)::text
        from (
            select 1 as n, 'card.claimed' as type where new.status in ('claimed', 'active')
            union all select 2, 'form.submitted' where new.submitted = 1
            union all select 3, 'card.activated' where new.activated_at > 0
            union all select 4, 'card.deleted' where new.status = 'deleted'
            union all select 5, 'card.gifted' where new.status = 'gifted'
        ) t order by t.n;
    return null;
end;
$$;
-- +goose StatementEnd

create trigger new_card_is_told after insert on member_card for each row
    execute function webhook_new_card();

-- +goose StatementBegin
create function webhook_card() returns trigger language plpgsql as $$
begin
    insert into webhook_event (type, member_id, card_id, code, data)
        select t.type, new.member_id, new.card_id, new.code, json_build_object(
            'status', new.status, 'outer_str', new.outer_str, 'given_from', new.given_from)::text
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
    return null;
end;
$$;
-- +goose StatementEnd

create trigger card_is_told after update of status, submitted, activated_at, member_id on member_card for each row
    when ((old.status, old.submitted, old.member_id, case old.activated_at when 0 then 0 else 1 end)
        <> (new.status, new.submitted, new.member_id, case new.activated_at when 0 then 0 else 1 end))
    execute function webhook_card();

-- When two members are joined or parted, what waits about a card stays before what comes.
-- +goose StatementBegin
create function webhook_moved_card() returns trigger language plpgsql as $$
begin
    update webhook_delivery set queue = new.member_id
        where state = 'waiting' and queue = old.member_id and card_id = new.card_id and code = new.code and code <> '';
    insert into webhook_queue as q (webhook_id, queue, due_at)
        select distinct d.webhook_id, d.queue, now_ms() from webhook_delivery d
        where d.state = 'waiting' and d.queue = new.member_id and d.card_id = new.card_id and d.code = new.code and d.code <> ''
        on conflict (webhook_id, queue) do update set due_at = q.due_at;
    return null;
end;
$$;
-- +goose StatementEnd

create trigger moved_card_is_told after update of member_id on member_card for each row
    when (old.member_id <> new.member_id)
    execute function webhook_moved_card();

-- +goose StatementBegin
create function webhook_entry() returns trigger language plpgsql as $$
begin
    insert into webhook_event (type, member_id, card_id, code, data)
        select 'entry.created', c.member_id, c.card_id, c.code, json_build_object(
            'entry_id', new.entry_id, 'seq', new.seq, 'add_bonus', new.add_bonus, 'bonus', new.bonus,
            'add_balance', new.add_balance, 'balance', new.balance, 'record_bonus', new.record_bonus,
            'record_balance', new.record_balance, 'reverses', new.reverses,
            'actor', new.actor, 'store', new.store, 'order', new.order_id)::text
        from member_card c where c.card_id = new.card_id and c.code = coalesce(
            (select m.code from member_card m where m.card_id = new.card_id and m.ledger = new.ledger and m.ledger <> m.code),
            new.ledger)
        and exists (select 1 from webhook_subscription where type in ('entry.created', '*'));
    return null;
end;
$$;
-- +goose StatementEnd

create trigger entry_is_told after insert on entry for each row
    execute function webhook_entry();

-- +goose StatementBegin
create function webhook_parked() returns trigger language plpgsql as $$
begin
    insert into webhook_event (type, member_id, card_id, code, data)
        select 'push.parked', coalesce(max(c.member_id), ''), new.card_id, new.code, json_build_object(
            'message_id', new.outbox_id, 'kind', new.kind, 'last_error', new.last_error)::text
        from member_card c where c.card_id = new.card_id and c.code = new.code;
    return null;
end;
$$;
-- +goose StatementEnd

create trigger parked_push_is_told after update of state on outbox for each row
    when (new.state = 'dead' and old.state <> 'dead')
    execute function webhook_parked();

-- +goose StatementBegin
create function webhook_review() returns trigger language plpgsql as $$
begin
    insert into webhook_event (type, member_id, card_id, code, data)
        values ('card.reviewed', '', new.card_id, '', json_build_object('status',
            case new.reason when '' then 'CARD_STATUS_VERIFY_OK' else 'CARD_STATUS_VERIFY_FAIL' end, 'refuse_reason', new.reason)::text);
    return null;
end;
$$;
-- +goose StatementEnd

create trigger review_is_told after insert on card_review for each row
    execute function webhook_review();

create trigger next_review_is_told after update of reviewed_at on card_review for each row
    when (old.reviewed_at <> new.reviewed_at)
    execute function webhook_review();

-- +goose StatementBegin
create function webhook_low_stock() returns trigger language plpgsql as $$
begin
    insert into webhook_event (type, member_id, card_id, code, data)
        values ('stock.low', '', new.card_id, '', json_build_object('quantity', (new.doc::json->>'quantity')::bigint)::text);
    return null;
end;
$$;
-- +goose StatementEnd

create trigger low_stock_is_told after update of doc on card for each row
    when (coalesce((old.doc::json->>'quantity')::bigint, -1) >= 100 and coalesce((new.doc::json->>'quantity')::bigint, -1) between 0 and 99)
    execute function webhook_low_stock();

-- +goose Down
drop trigger low_stock_is_told on card;
drop trigger next_review_is_told on card_review;
drop trigger review_is_told on card_review;
drop trigger parked_push_is_told on outbox;
drop trigger entry_is_told on entry;
drop trigger moved_card_is_told on member_card;
drop trigger card_is_told on member_card;
drop trigger new_card_is_told on member_card;
drop trigger member_is_told on member;
drop function webhook_low_stock();
drop function webhook_review();
drop function webhook_parked();
drop function webhook_entry();
drop function webhook_moved_card();
drop function webhook_card();
drop function webhook_new_card();
drop function webhook_member();
drop view webhook_event;
drop function webhook_tell();
drop table webhook_delivery;
drop table webhook_queue;
drop table webhook_subscription;
drop table webhook;
