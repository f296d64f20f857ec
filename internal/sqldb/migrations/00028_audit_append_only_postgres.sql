-- +goose Up

-- +goose StatementBegin
create function audit_refuse() returns trigger language plpgsql as $$
begin
    raise exception 'the audit log is append-only';
end;
$$;
-- +goose StatementEnd

create trigger audit_is_append_only before update or delete or truncate on audit
    for each statement execute function audit_refuse();
create trigger audit_outcome_is_append_only before update or delete or truncate on audit_outcome
    for each statement execute function audit_refuse();

-- +goose Down
drop trigger audit_outcome_is_append_only on audit_outcome;
drop trigger audit_is_append_only on audit;
drop function audit_refuse();
