-- +goose Up
-- Retries of many messages. filter (JSON) says which; the job works through them in
-- the order of created_at and outbox_id and is behind after_at and after_id. Of the
-- messages that it selects, total were found at its beginning, done were retried, and
-- failed were no longer in the outbox. ended_at is 0 while the state is running.
create table outbox_retry (
    retry_id   text   not null primary key,
    actor      text   not null,
    filter     text   not null,
    state      text   not null default 'running' check (state in ('running', 'done', 'stopped')),
    total      bigint not null,
    done       bigint not null default 0,
    failed     bigint not null default 0,
    after_at   bigint not null default 0,
    after_id   text   not null default '',
    created_at bigint not null,
    ended_at   bigint not null default 0
);
create index outbox_retry_listed on outbox_retry (created_at, retry_id);
create index outbox_retry_running on outbox_retry (created_at) where state = 'running';

-- +goose Down
drop table outbox_retry;
