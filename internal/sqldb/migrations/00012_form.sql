-- +goose Up
-- What people filled in in the one-click form, one row for each activate_ticket
-- that was used. The ticket is kept as a hash: it serves one code. sealed is
-- the form and phone its keyed hash, both '' without DATA_KEYS.
create table form (
    ticket_hash text   not null primary key,
    card_id     text   not null,
    code        text   not null,
    phone       text   not null default '',
    sealed      text   not null default '',
    created_at  bigint not null
);
create index form_card on form (card_id, code);
create index form_phone on form (phone) where phone <> '';

-- +goose Down
drop table form;
