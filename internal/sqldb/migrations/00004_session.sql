-- +goose Up
-- Sessions that ended by logout, until their tokens would have expired. seq
-- comes from the one row of revocation, whose lock makes the order of numbers
-- the order of commits: a replica that has read up to n misses nothing below.
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
