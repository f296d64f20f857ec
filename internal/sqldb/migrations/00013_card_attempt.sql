-- +goose Up
-- Creations of cards that WeChat did not answer. definition is the hash of the
-- card to be created, had are the card_ids (JSON) that the account had before.
create table card_attempt (
    definition text   not null primary key,
    had        text   not null,
    begun_at   bigint not null
);

-- +goose Down
drop table card_attempt;
