package sqldb

import (
	"context"
	"fmt"
)

// Servers returns how many servers have the database, as far as this program can see, and
// whether a commit waits until a second one has it. Without that the entries of the last
// moments, although acknowledged, are lost with the primary. A SQLite file has one.
func (db *DB) Servers(ctx context.Context) (n int, synchronous bool, err error) {
	p, ok := db.Engine.(*postgres)
	if !ok {
		return 1, false, nil
	}
	// An ordinary role sees the rows of pg_stat_replication, and hardly a column.
	const query = "select (select count(*) from pg_stat_replication), current_setting('synchronous_standby_names') <> ''"
	if err := db.Read().QueryRow(ctx, query).Scan(&n, &synchronous); err != nil {
		return 0, false, fmt.Errorf("look for standbys: %w", err)
	}
	return max(1+n, len(p.target.hosts)), synchronous, nil
}
