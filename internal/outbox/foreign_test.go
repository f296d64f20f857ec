package outbox_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/url"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/redis/go-redis/v9"

	"github.com/addcard/addcard/internal/outbox"
	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/testing/world"
)

// driverError is an error of a driver that has all methods of WeChat's refusals but
// the errcode, and answers each in the worst way.
type driverError struct{}

func (driverError) Error() string                     { return "driver: bad connection" }
func (driverError) Temporary() bool                   { return false }
func (driverError) Timeout() bool                     { return false }
func (driverError) Permanent() bool                   { return true }
func (driverError) NotDelivered() bool                { return true }
func (driverError) RetryAfter() (time.Duration, bool) { return 24 * time.Hour, true }

// unanswered is a call to WeChat that had no answer, and says that it is refused.
type unanswered struct{ world.RefusalError }

func (unanswered) Errcode() int { return 0 }

// foreign returns errors that are no answer of WeChat's.
func foreign(t *testing.T) map[string]error {
	t.Helper()
	refused := world.RefusalError{}
	dead, cancel := context.WithCancel(t.Context())
	cancel()
	address := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 5432}
	dial := func(err error) error {
		return &net.OpError{Op: "dial", Net: "tcp", Addr: address, Err: os.NewSyscallError("connect", err)}
	}
	_, connect := pgconn.Connect(dead, "postgres://127.0.0.1:1/none")
	_, lookup := (&net.Dialer{}).DialContext(t.Context(), "tcp", "no..host:1")
	_, file := os.Open("/nowhere/at/all")
	db, err := sqldb.Open(t.Context(), "sqlite:"+t.TempDir()+"/a.db")
	if err != nil {
		t.Fatal(err)
	}
	one := 0
	statement := db.Read().QueryRow(t.Context(), "select nothing from nowhere").Scan(&one)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	closed := db.Read().QueryRow(t.Context(), "select 1").Scan(&one)
	all := map[string]error{
		"refused":           dial(syscall.ECONNREFUSED),
		"reset":             &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)},
		"broken pipe":       &net.OpError{Op: "write", Net: "tcp", Err: os.NewSyscallError("write", syscall.EPIPE)},
		"no route":          dial(syscall.EHOSTUNREACH),
		"timed out":         dial(syscall.ETIMEDOUT),
		"closed":            &net.OpError{Op: "read", Net: "tcp", Err: net.ErrClosed},
		"unix socket":       &net.OpError{Op: "dial", Net: "unix", Err: os.NewSyscallError("connect", syscall.ENOENT)},
		"errno":             syscall.ECONNABORTED,
		"no such host":      &net.DNSError{Err: "no such host", Name: "db", IsNotFound: true},
		"server misbehaves": &net.DNSError{Err: "server misbehaving", Name: "db", IsTemporary: true},
		"lookup":            lookup,
		"bad address":       &net.AddrError{Err: "missing port", Addr: "db"},
		"bad network":       net.UnknownNetworkError("x"),
		"bad text":          &net.ParseError{Type: "IP address", Text: "x"},
		"URL":               &url.Error{Op: "Get", URL: "x", Err: dial(syscall.ECONNREFUSED)},
		"file":              file,
		"full disk":         &fs.PathError{Op: "write", Path: "a", Err: syscall.ENOSPC},
		"deadline of files": os.ErrDeadlineExceeded,
		"canceled":          context.Canceled,
		"deadline":          context.DeadlineExceeded,
		"end":               io.EOF,
		"unexpected end":    io.ErrUnexpectedEOF,
		"bad connection":    driver.ErrBadConn,
		"connection done":   sql.ErrConnDone,
		"no rows":           sql.ErrNoRows,
		"pg connect":        connect,
		"pg shuts down":     &pgconn.PgError{Severity: "FATAL", Code: "57P01", Message: "terminating connection due to administrator command"},
		"pg deadlock":       &pgconn.PgError{Severity: "ERROR", Code: "40P01"},
		"pg constraint":     &pgconn.PgError{Severity: "ERROR", Code: "23505"},
		"sqlite statement":  statement,
		"sqlite closed":     closed,
		"sqldb busy":        fmt.Errorf("%w: %w", sqldb.ErrBusy, dial(syscall.ECONNREFUSED)),
		"tls record":        tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake"},
		"tls alert":         tls.AlertError(40),
		"tls of the server": &net.OpError{Op: "remote error", Err: tls.AlertError(80)},
		"certificate":       &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}},
		"redis nil":         redis.Nil,
		"redis closed":      redis.ErrClosed,
		"redis pool":        redis.ErrPoolTimeout,
		"redis loading":     errors.New("LOADING Redis is loading the dataset in memory"),
		"driver":            driverError{},
		"driver's pointer":  &driverError{},
		"unknown":           errors.New("panic: a bug"),
		"no answer":         unanswered{refused},

		// Something else failed beside WeChat's answer.
		"an answer, then the database": fmt.Errorf("%w: %w", refused, dial(syscall.ECONNREFUSED)),
		"the database, then an answer": errors.Join(dial(syscall.ECONNREFUSED), refused),
		"deep within": fmt.Errorf("push: %w", fmt.Errorf("get access_token: %w",
			errors.Join(errors.New("ticket: no usable value"), refused))),
	}
	for name, err := range all {
		if err == nil {
			t.Fatalf("%s: no error", name)
		}
	}
	return all
}

// Symptom: PostgreSQL was away for a moment, and messages were parked "for good".
func TestBackOff_NoErrorButWeChatsAnswerParks(t *testing.T) {
	t.Parallel()
	for name, cause := range foreign(t) {
		for shape, err := range map[string]error{
			"": cause, "wrapped": fmt.Errorf("read the entry: %w", fmt.Errorf("cardsync: %w", cause)),
		} {
			for attempts := range int64(1000) {
				wait, park := outbox.BackOff(attempts, err)
				if park || wait <= 0 || wait > 5*time.Minute {
					t.Fatalf("%s %s (%T), failure %d: waits %v, parks %v", name, shape, cause, attempts+1, wait, park)
				}
			}
			if outbox.NotDelivered(err) || outbox.Refused(err) {
				t.Errorf("%s %s (%T) is taken for an answer", name, shape, cause)
			}
		}
	}
}
