package sqldb

import (
	"crypto/tls"
	"net/netip"
	"path"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Plaintext reports whether the password and the data may go to another machine
// without encryption: url is that of a PostgreSQL server there, and its sslmode is
// disable, allow or prefer, which is the default.
func Plaintext(url string) bool {
	if !isPostgres(url) {
		return false
	}
	c, err := pgx.ParseConfig(url)
	if err != nil {
		return false
	}
	exposed := func(host string, t *tls.Config) bool { return t == nil && !isOnThisMachine(host) }
	plain := exposed(c.Host, c.TLSConfig)
	for _, f := range c.Fallbacks { // the other hosts, and the other attempts of sslmode
		plain = plain || exposed(f.Host, f.TLSConfig)
	}
	return plain
}

// isOnThisMachine reports whether host is a loopback address or a Unix socket.
func isOnThisMachine(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || path.IsAbs(host) || strings.HasPrefix(host, "@") || err == nil && addr.Unmap().IsLoopback()
}
