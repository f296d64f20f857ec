package config

import (
	"net"
	"net/netip"

	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/ticket/redisstore"
)

// Warning is about values that work but are dangerous outside of a trial. It quotes
// no value.
type Warning struct {
	Found string
	Fix   string // what to set
}

// Warnings returns what is dangerous about c. It looks nothing up: a listener on a
// host name counts as public.
func (c Config) Warnings() (list []Warning) {
	if isPublic(c.AdminListenAddr) {
		list = append(list, Warning{
			"ADMIN_LISTEN_ADDR: the operator's listener accepts connections from other networks, in plain HTTP",
			"set ADMIN_LISTEN_ADDR to 127.0.0.1:8081 or to a private address; in a container, publish the port to a private network only",
		})
	}
	if sqldb.Plaintext(string(c.DatabaseURL)) {
		list = append(list, Warning{
			"DATABASE_URL: members and the password may go to PostgreSQL on another machine without TLS",
			"add sslmode=verify-full to DATABASE_URL",
		})
	}
	if redisstore.Plaintext(string(c.RedisURL)) {
		list = append(list, Warning{
			"REDIS_URL: the password goes to Redis on another machine without TLS",
			"begin REDIS_URL with rediss://",
		})
	}
	return list
}

// sharedNetwork are the addresses behind a provider's NAT (RFC 6598), which virtual
// private networks use too.
var sharedNetwork = netip.MustParsePrefix("100.64.0.0/10")

// isPublic reports whether a listener on addr, a HOST:PORT, can be reached by more
// than this machine and its private networks.
func isPublic(addr string) bool {
	host, _, _ := net.SplitHostPort(addr)
	ip, err := netip.ParseAddr(host)
	ip = ip.Unmap()
	return !isLoopback(host) && (err != nil || !ip.IsPrivate() && !ip.IsLinkLocalUnicast() && !sharedNetwork.Contains(ip))
}
