-- +goose Up
-- What happened to members and cards and has no other row: logins, cardExts, the
-- outcomes of messages, what the reconciler found. member_id is '' in a row about a
-- card that any member may hold; code is '' in a row about no code. detail is JSON.
-- Rows are deleted after 180 days. trail_id grows with the time. Each index is one
-- write more for a cardExt, so there are only two.
create table trail (
    trail_id  text   not null primary key,
    member_id text   not null default '',
    card_id   text   not null default '',
    code      text   not null default '',
    kind      text   not null,
    at        bigint not null,
    detail    text   not null default '{}'
);
create index trail_member on trail (member_id, at, trail_id) where member_id <> '';
create index trail_card on trail (card_id, code, at, trail_id) where code <> '' and member_id = '';

-- +goose Down
drop table trail;
