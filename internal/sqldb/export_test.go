package sqldb

import "context"

// MigrateTo applies the migrations up to version, like an earlier version of
// addcard.
func (db *DB) MigrateTo(ctx context.Context, version int64) error {
	_, err := db.migrate(ctx, version)
	return err
}
