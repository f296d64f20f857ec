-- +goose Up
-- The submitted one-click forms, one row for each activate_ticket that was used.
-- The ticket is stored as a hash; it is valid for one code. sealed is the
-- encrypted form and phone the keyed hash of the phone number, both '' without
-- DATA_KEYS.
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
