-- +goose Up
-- Lets the purge of expired sessions read only those.
create index revoked_session_expires on revoked_session (expires_at);

-- +goose Down
drop index revoked_session_expires;
