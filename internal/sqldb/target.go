package sqldb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

// target is where DATABASE_URL leads: one PostgreSQL server, several of which one
// accepts writes, or a connection pooler.
type target struct {
	hosts    []*pgx.ConnConfig // one for each host, in the order of the URL
	execMode bool              // the URL says how statements are executed
	last     atomic.Int32      // the host that was connected to last; tried first
	pooler   atomic.Int32      // whether the server is a pooler
}

// Values of target.pooler.
const (
	poolerUnknown = iota
	poolerNone
	poolerFound
)

// settings are the settings of a session by name, such as lock_timeout.
type settings map[string]string

// keepAlive finds idle connections of which a firewall has dropped the packets
// without an answer.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 3}

// pingTime bounds the test of a connection that was idle: a machine that has died does
// not answer.
const pingTime = time.Second

// newTarget parses the URL.
func newTarget(url string) (*target, error) {
	c, err := pgx.ParseConfig(url)
	if err != nil || c.Database == "" {
		return nil, ErrUnsupported // err would quote the URL
	}
	t := &target{hosts: splitHosts(c), execMode: strings.Contains(url, "default_query_exec_mode=")}
	for _, h := range t.hosts {
		// One call of the database must have time for each host.
		if most := callTime / time.Duration(len(t.hosts)); h.ConnectTimeout <= 0 || h.ConnectTimeout > most {
			h.ConnectTimeout = most
		}
		h.DialFunc = (&net.Dialer{KeepAliveConfig: keepAlive}).DialContext
		h.OnPgError = keepsConnection
		h.OnNotice = noteUnreplicated
		if len(t.hosts) > 1 {
			h.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
		}
		h.RuntimeParams["application_name"], h.RuntimeParams["timezone"] = applicationName, "UTC"
	}
	return t, nil
}

// splitHosts returns a configuration for each host. The other attempts of sslmode at a
// host stay with it.
func splitHosts(c *pgx.ConnConfig) (hosts []*pgx.ConnConfig) {
	fallbacks := c.Fallbacks
	c.Fallbacks = nil
	hosts = append(hosts, c)
	for _, f := range fallbacks {
		if last := hosts[len(hosts)-1]; f.Host == last.Host && f.Port == last.Port {
			last.Fallbacks = append(last.Fallbacks, f)
			continue
		}
		next := c.Copy()
		next.Host, next.Port, next.TLSConfig, next.Fallbacks = f.Host, f.Port, f.TLSConfig, nil
		hosts = append(hosts, next)
	}
	return hosts
}

// name returns the hosts and the database, without user and password.
func (t *target) name() string {
	var hosts []string
	for _, h := range t.hosts {
		hosts = append(hosts, net.JoinHostPort(h.Host, strconv.Itoa(int(h.Port))))
	}
	return "postgres://" + strings.Join(hosts, ",") + "/" + t.hosts[0].Database
}

// keepsConnection reports whether a connection is used again after an error of the
// server. A server that has become read-only is not the primary any more: the next
// connection may reach the new one.
func keepsConnection(_ *pgconn.PgConn, err *pgconn.PgError) bool {
	return !isFatal(err) && err.Code != readOnlyTransaction
}

// open returns a pool of connections with these settings. Behind a pooler they have none:
// a session there belongs to many clients, so each transaction must set its own.
func (t *target) open(s settings) *sql.DB { return sql.OpenDB(connector{t, s}) }

type connector struct {
	target   *target
	settings settings
}

// Driver implements driver.Connector.
func (c connector) Driver() driver.Driver { return stdlib.GetDefaultDriver() }

// Connect implements driver.Connector.
func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	pooled, err := c.target.pooled(ctx)
	if err != nil {
		return nil, err
	}
	if pooled {
		return c.target.connect(ctx, nil, !c.target.execMode)
	}
	return c.target.connect(ctx, c.settings, false)
}

// pooled reports whether there is a connection pooler between this program and the
// server. The server of a pooler's connection has another process ID than the one that
// the pooler has told the client.
func (t *target) pooled(ctx context.Context) (bool, error) {
	if known := t.pooler.Load(); known != poolerUnknown {
		return known == poolerFound, nil
	}
	conn, err := t.connect(ctx, nil, true)
	if err != nil {
		return false, err
	}
	defer func() { _ = conn.Close() }()
	pg := conn.(*stdlib.Conn).Conn().PgConn()
	result, err := pg.Exec(ctx, "select pg_backend_pid()").ReadAll()
	if err != nil {
		return false, fmt.Errorf("look for a connection pooler: %w", err)
	}
	if string(result[0].Rows[0][0]) == strconv.FormatUint(uint64(pg.PID()), 10) {
		t.pooler.Store(poolerNone)
		return false, nil
	}
	t.pooler.Store(poolerFound)
	return true, nil
}

// connect connects to the first host that accepts writes, beginning with the one that
// did last. Without unprepared, statements are prepared once for each connection.
func (t *target) connect(ctx context.Context, s settings, unprepared bool) (driver.Conn, error) {
	var failures []error
	for i := range t.hosts {
		n := (int(t.last.Load()) + i) % len(t.hosts)
		c := t.hosts[n].Copy()
		maps.Copy(c.RuntimeParams, s)
		if unprepared {
			c.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
		}
		conn, err := stdlib.GetConnector(*c, stdlib.OptionShouldPing(closeDead), stdlib.OptionResetSession(refuseClosed)).Connect(ctx)
		if err == nil {
			t.last.Store(int32(n))
			return conn, nil
		}
		failures = append(failures, err)
		if isRefusal(err) || ctx.Err() != nil {
			break
		}
	}
	return nil, errors.Join(failures...)
}

// closeDead pings a connection that was idle, and closes it if the server is gone. It
// asks the driver for no other ping, which could take as long as the caller's call.
func closeDead(ctx context.Context, p stdlib.ShouldPingParams) bool {
	if p.IdleDuration > time.Second {
		ctx, cancel := context.WithTimeout(ctx, pingTime)
		defer cancel()
		_ = p.Conn.Ping(ctx) // closes the connection if it fails
	}
	return false
}

func refuseClosed(_ context.Context, c *pgx.Conn) error {
	if c.IsClosed() {
		return driver.ErrBadConn
	}
	return nil
}

// isRefusal reports whether a server has answered that it does not let this program in,
// which another try does not change: a wrong password, no such database, no right.
func isRefusal(err error) bool {
	code := codeOf(err)
	return strings.HasPrefix(code, "28") || slices.Contains([]string{"3D000", "42501"}, code)
}

// unreplicated marks a connection of which the latest commit is on the primary's disk,
// while the wait for its standby was cancelled. PostgreSQL answers it with success.
const unreplicated = "unreplicated"

func noteUnreplicated(c *pgconn.PgConn, n *pgconn.Notice) {
	if n.SeverityUnlocalized == "WARNING" && n.Code == "01000" {
		c.CustomData()[unreplicated] = true
	}
}

// tookUnreplicated reports whether noteUnreplicated has marked the connection since the
// last call.
func tookUnreplicated(conn *sql.Conn) (marked bool) {
	_ = conn.Raw(func(c any) error {
		data := c.(*stdlib.Conn).Conn().PgConn().CustomData()
		_, marked = data[unreplicated]
		delete(data, unreplicated)
		return nil
	})
	return marked
}
