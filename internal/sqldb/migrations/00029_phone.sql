-- +goose Up
-- The phone number that a member has shown to the mini-program, at most one. sealed is
-- the number, encrypted, and phone_hash its keyed hash, both with DATA_KEYS; without
-- them there is no row. One number belongs to one member.
create table member_phone (
    member_id   text   not null primary key references member (member_id),
    phone_hash  text   not null,
    sealed      text   not null,
    verified_at bigint not null
);
create unique index member_phone_hash on member_phone (phone_hash);

-- +goose Down
drop table member_phone;
