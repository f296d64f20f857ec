package sqldb

import "context"

// MigrateTo stops at an earlier step, as an earlier version of addcard did.
func (db *DB) MigrateTo(ctx context.Context, version int64) error {
	_, err := db.migrate(ctx, version)
	return err
}
