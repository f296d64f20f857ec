-- +goose Up
-- face_known is 1 when the figures on the card's face were read or set by addcard.
-- Until then no total is sent, because it would overwrite what the card already has.
-- Earlier versions took the face of every active card for their own.
alter table member_card add column face_known bigint not null default 0;
update member_card set face_known = 1 where activated_at > 0;

-- +goose Down
alter table member_card drop column face_known;
