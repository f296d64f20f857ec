package sqldb_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/testing/postgres"
)

func TestAwait_AServerThatIsAway(t *testing.T) {
	t.Parallel()
	server := postgres.New(t, "-c", "fsync=off")
	server.Kill()
	db, err := sqldb.Open(t.Context(), server.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	reasons := make(chan error, 1)
	done := make(chan error)
	go func() {
		done <- db.Await(t.Context(), func(reason error) {
			select {
			case reasons <- reason:
			default:
			}
		})
	}()
	if reason := <-reasons; !errors.Is(reason, sqldb.ErrUnavailable) || strings.Contains(reason.Error(), "secret") {
		t.Errorf("the reason: %v", reason)
	}
	server.Restart(t)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestAwait_EndsWithItsContextAndAtWhatIsRefused(t *testing.T) {
	t.Parallel()
	server := postgres.Shared(t)
	db, err := sqldb.Open(t.Context(), server.URL("no_such_database"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	never := func(reason error) { t.Errorf("it waits: %v", reason); cancel() }
	if err := db.Await(ctx, never); err == nil || !strings.Contains(err.Error(), "3D000") {
		t.Errorf("no such database: got %v", err)
	}
	left, leave := context.WithCancel(t.Context())
	leave()
	if err := db.Await(left, never); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// Until it has recovered, PostgreSQL answers that it is starting up.
func TestAwait_AServerThatStarts(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			server := pgproto3.NewBackend(conn, conn)
			if _, err := server.ReceiveStartupMessage(); err == nil {
				server.Send(&pgproto3.ErrorResponse{Severity: "FATAL", Code: "57P03", Message: "the database system is starting up"})
				_ = server.Flush()
			}
			_ = conn.Close()
		}
	}()
	db, err := sqldb.Open(t.Context(), "postgres://addcard@"+l.Addr().String()+"/a?sslmode=disable")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	seen := 0
	err = db.Await(ctx, func(reason error) {
		if strings.Contains(reason.Error(), "starting up") { // on a busy machine not each try is answered in time
			seen++
		}
		if seen == 2 {
			cancel()
		}
	})
	if seen != 2 || !errors.Is(err, context.Canceled) {
		t.Errorf("seen %d times, %v", seen, err)
	}
}
