-- +goose Up
-- A card whose creation WeChat did not answer: definition is a hash of what was
-- to be created, had the card_ids (JSON) that the account had before.
create table card_attempt (
    definition text   not null primary key,
    had        text   not null,
    begun_at   bigint not null
);

-- +goose Down
drop table card_attempt;
