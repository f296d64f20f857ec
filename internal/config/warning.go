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
	Found, FoundChinese string
	Fix, FixChinese     string // what to set
}

// Warnings returns what is dangerous about c. It looks nothing up: a listener on a
// host name counts as public.
func (c Config) Warnings() (list []Warning) {
	if isPublic(c.AdminListenAddr) {
		list = append(list, Warning{
			"ADMIN_LISTEN_ADDR: the operator's listener accepts connections from other networks, in plain HTTP",
			"ADMIN_LISTEN_ADDR：管理端口接受来自其他网络的连接，而且用的是明文 HTTP",
			"set ADMIN_LISTEN_ADDR to 127.0.0.1:8081 or to a private address; in a container, publish the port to a private network only",
			"把 ADMIN_LISTEN_ADDR 设为 127.0.0.1:8081 或内网地址；在容器里，只把端口发布到内网",
		})
	}
	if sqldb.Plaintext(string(c.DatabaseURL)) {
		list = append(list, Warning{
			"DATABASE_URL: members and the password may go to PostgreSQL on another machine without TLS",
			"DATABASE_URL：会员资料和密码可能不经 TLS 发送到另一台机器的 PostgreSQL",
			"add sslmode=verify-full to DATABASE_URL",
			"在 DATABASE_URL 里加上 sslmode=verify-full",
		})
	}
	if redisstore.Plaintext(string(c.RedisURL)) {
		list = append(list, Warning{
			"REDIS_URL: the password goes to Redis on another machine without TLS",
			"REDIS_URL：密码不经 TLS 发送到另一台机器的 Redis",
			"begin REDIS_URL with rediss://",
			"REDIS_URL 以 rediss:// 开头",
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
