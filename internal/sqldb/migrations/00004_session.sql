-- +goose Up
-- Sessions that a logout ended, until their tokens would have expired. seq comes
-- from the only row of revocation. The lock of that row makes the order of the
-- numbers the order of the commits: a replica that has read up to n has missed
-- none below n.
create table revoked_session (
    seq        bigint not null primary key,
    jti        text   not null unique,
    expires_at bigint not null
);
create table revocation (
    last_seq bigint not null
);
insert into revocation (last_seq) values (0);

-- +goose Down
drop table revocation;
drop table revoked_session;
