package sqldb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	sqlitedriver "modernc.org/sqlite"
	sqlitelib "modernc.org/sqlite/lib"
)

// isFault reports whether an error is about the database and not about what was
// asked of it: the database cannot be reached in time, accepts no connections,
// is read-only, full or damaged. This is the only place that decides it.
func isFault(err error) bool {
	if errors.Is(err, ErrUnavailable) {
		return true
	}
	var failed *sqlitedriver.Error
	if errors.As(err, &failed) {
		return fileFaults[failed.Code()&0xff] // the other bits say where it failed
	}
	if code := codeOf(err); code != "" {
		return serverFault(code)
	}
	var connect *pgconn.ConnectError
	var network net.Error // context.DeadlineExceeded is one
	return errors.As(err, &connect) || errors.As(err, &network) || pgconn.SafeToRetry(err) ||
		errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone) || errors.Is(err, sql.ErrTxDone) ||
		errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) || errors.Is(err, ErrUnknown)
}

// fileFaults are the error codes of SQLite that are about the file.
var fileFaults = map[int]bool{
	sqlitelib.SQLITE_BUSY: true, sqlitelib.SQLITE_IOERR: true, sqlitelib.SQLITE_FULL: true, sqlitelib.SQLITE_CANTOPEN: true,
	sqlitelib.SQLITE_CORRUPT: true, sqlitelib.SQLITE_NOTADB: true, sqlitelib.SQLITE_READONLY: true, sqlitelib.SQLITE_PROTOCOL: true,
	sqlitelib.SQLITE_PERM: true, sqlitelib.SQLITE_NOLFS: true,
}

// serverFault reports whether an error code of PostgreSQL is about the server,
// the connection, or what the user of DATABASE_URL may do.
func serverFault(code string) bool {
	switch code {
	case readOnlyTransaction,
		"25P03", "25P04", // idle_in_transaction_session_timeout, transaction_timeout
		"3D000", // invalid_catalog_name: there is no such database
		"42501", // insufficient_privilege
		completionUnknown,
		"57014": // query_canceled: statement_timeout
		return true
	}
	for _, class := range []string{
		"08",  // connection_exception
		"28",  // invalid_authorization_specification
		"53",  // insufficient_resources: disk_full, too_many_connections
		"57P", // shutdown, startup, recovery
		"58",  // system_error: I/O errors
		"F0",  // config_file_error
		"XX",  // internal_error, data_corrupted, index_corrupted
	} {
		if strings.HasPrefix(code, class) {
			return true
		}
	}
	return false
}

// completionUnknown is the error code statement_completion_unknown.
const completionUnknown = "40003"

// isAway reports whether an error of PostgreSQL says that there is no server that accepts
// writes at present, or that the connection to it has broken. A transaction that has not
// been committed can run again on another connection.
func isAway(err error) bool {
	if err == nil || errors.Is(err, ErrUnknown) {
		return false
	}
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		return refused.Code == readOnlyTransaction || refused.Code == tooManyConnections || strings.HasPrefix(refused.Code, "57P0") ||
			strings.HasPrefix(refused.Code, "08") && isFatal(refused) // a pooler that has lost its server
	}
	var connect *pgconn.ConnectError
	return errors.As(err, &connect) || isFault(err) && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, sql.ErrTxDone)
}

// isFatal reports whether the session ends with the error.
func isFatal(err *pgconn.PgError) bool {
	return err.Severity == "FATAL" || err.SeverityUnlocalized == "FATAL" || err.SeverityUnlocalized == "PANIC"
}

// tooManyConnections is an error code of a server that may have some free soon: those of
// a replica that was killed take a moment to end.
const tooManyConnections = "53300"

// damaged reports whether an error of SQLite says that the file is damaged.
func damaged(err error) bool {
	var failed *sqlitedriver.Error
	if !errors.As(err, &failed) {
		return false
	}
	code := failed.Code() & 0xff
	return code == sqlitelib.SQLITE_CORRUPT || code == sqlitelib.SQLITE_NOTADB
}

// isLocked reports whether another process or connection holds a lock of the
// SQLite file.
func isLocked(err error) bool {
	var failed *sqlitedriver.Error
	return errors.As(err, &failed) && failed.Code()&0xff == sqlitelib.SQLITE_BUSY
}
