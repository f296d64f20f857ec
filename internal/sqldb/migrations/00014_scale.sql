-- +goose Up
-- So that forgetting ended sessions does not read those that have not.
create index revoked_session_expires on revoked_session (expires_at);

-- +goose Down
drop index revoked_session_expires;
