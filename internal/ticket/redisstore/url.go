package redisstore

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
)

func urlError(why string) error { return fmt.Errorf("%w %s", ErrURL, why) }

// parseURL reads a URL as go-redis does, but returns an error where go-redis
// would guess or ignore a part, and for every parameter that [Open] does not
// document.
func parseURL(text string) (*redis.UniversalOptions, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil, u.Opaque != "", u.Fragment != "": // err would repeat the URL
		return nil, urlError("is not a URL; special characters in a password are written as %XX")
	case u.Scheme != "redis" && u.Scheme != "rediss":
		return nil, urlError("must begin with redis:// or rediss://")
	case u.Hostname() == "":
		return nil, urlError("names no host")
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, urlError("has parameters that are not written as name=value")
	}
	opt := &redis.UniversalOptions{}
	if u.Scheme == "rediss" {
		opt.TLSConfig = &tls.Config{ServerName: u.Hostname(), MinVersion: tls.VersionTLS12}
	}
	for _, set := range []func(*redis.UniversalOptions, *url.URL, url.Values) error{
		checkNames, setAddrs, setMode, setUser, setDatabase,
	} {
		if err := set(opt, u, query); err != nil {
			return nil, err
		}
	}
	return opt, nil
}

func checkNames(_ *redis.UniversalOptions, _ *url.URL, query url.Values) error {
	for name, values := range query {
		if !slices.Contains([]string{"addr", "cluster", "master_name", "username", "password"}, name) {
			return urlError("has an unknown parameter; the known ones are addr, cluster, master_name, username and password")
		}
		if name != "addr" && len(values) > 1 {
			return urlError("has a parameter twice; only addr may be repeated")
		}
	}
	return nil
}

func setAddrs(opt *redis.UniversalOptions, u *url.URL, query url.Values) error {
	first := u.Host
	if u.Port() == "" {
		port := "6379"
		if query.Has("master_name") {
			port = "26379"
		}
		first = net.JoinHostPort(u.Hostname(), port)
	}
	opt.Addrs = append([]string{first}, query["addr"]...)
	for _, addr := range opt.Addrs {
		host, port, err := net.SplitHostPort(addr)
		if err != nil || host == "" || strings.Contains(host, ",") || !isPort(port) {
			return urlError("has an address that is not one host:port; more of them are given as addr=host:port")
		}
	}
	return nil
}

func isPort(text string) bool {
	n, err := strconv.ParseUint(text, 10, 16)
	return err == nil && n > 0
}

func setMode(opt *redis.UniversalOptions, _ *url.URL, query url.Values) error {
	opt.MasterName = query.Get("master_name")
	switch cluster := query.Get("cluster"); {
	case query.Has("master_name") && opt.MasterName == "":
		return urlError("has an empty master_name")
	case query.Has("cluster") && cluster != "true":
		return urlError("has a parameter cluster that is not cluster=true")
	case query.Has("cluster") && opt.MasterName != "":
		return urlError("has both cluster and master_name")
	}
	opt.IsClusterMode = opt.MasterName == "" && (query.Has("cluster") || len(opt.Addrs) > 1)
	return nil
}

func setUser(opt *redis.UniversalOptions, u *url.URL, query url.Values) error {
	user := u.User.Username()
	password, _ := u.User.Password()
	switch {
	case opt.MasterName != "":
		opt.SentinelUsername, opt.SentinelPassword = user, password
		opt.Username, opt.Password = query.Get("username"), query.Get("password")
	case query.Has("username") || query.Has("password"):
		return urlError("may give username and password as parameters only with master_name")
	default:
		opt.Username, opt.Password = user, password
	}
	return nil
}

func setDatabase(opt *redis.UniversalOptions, u *url.URL, _ url.Values) error {
	text := strings.Trim(u.Path, "/")
	if text == "" {
		return nil
	}
	n, err := strconv.ParseUint(text, 10, 16)
	switch {
	case err != nil:
		return urlError("has a path that is not the number of a database")
	case n != 0 && opt.IsClusterMode:
		return urlError("gives a database, but a Cluster has only number 0")
	}
	opt.DB = int(n)
	return nil
}

// Plaintext reports whether the password goes to a Redis server on another machine
// without encryption, by url. It is false for a URL that CheckURL refuses.
func Plaintext(url string) bool {
	opt, err := parseURL(url)
	return err == nil && opt.TLSConfig == nil && slices.ContainsFunc(opt.Addrs, func(addr string) bool {
		host, _, _ := net.SplitHostPort(addr)
		ip, notIP := netip.ParseAddr(host)
		return host != "localhost" && (notIP != nil || !ip.Unmap().IsLoopback())
	})
}
