package redisstore

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// ErrURL is what [CheckURL] and [Open] answer to a URL they do not understand.
// The text says what is wrong and repeats nothing of the URL.
var ErrURL = errors.New("redisstore: REDIS_URL")

// CheckURL tells whether Open would understand text, without touching the
// network. Errors: ErrURL.
func CheckURL(text string) error {
	_, err := parse(text)
	return err
}

// Open returns a client for the servers that a REDIS_URL names, in the forms of
// go-redis. It does not reach for them: a server that starts while Redis is away
// uses it when it comes. The caller closes the client. Errors: ErrURL.
//
//	redis://[user:password@]host[:port][/database]            one server
//	redis://[…@]sentinel[:port][/database]?master_name=NAME   Sentinel
//	redis://[user:password@]node[:port]?cluster=true          Cluster
//
// rediss:// is TLS 1.2 or later, to certificates that the system trusts and
// that name the URL's host. With addr=host:port, as often as need be, more
// Sentinels or nodes are given; without master_name it alone means a Cluster.
// The usual ports are 6379 and, of Sentinels, 26379. With Sentinel, user and password before the host are those of the Sentinels;
// those of the servers are the parameters username and password.
func Open(text string) (redis.UniversalClient, error) {
	opt, err := parse(text)
	if err != nil {
		return nil, err
	}
	settle(opt)
	if opt.MasterName == "" && opt.IsClusterMode {
		cluster := opt.Cluster()
		// A dead node is not asked again within one call, so the client would
		// learn by its own clock only that another has taken its place.
		cluster.ClusterStateReloadInterval = 2 * time.Second
		cluster.DisableRoutingPolicies = true // our scripts name their key
		return redis.NewClusterClient(cluster), nil
	}
	return redis.NewUniversalClient(opt), nil
}

// replyTime is how long a server that has been reached may take to answer.
const replyTime = 300 * time.Millisecond

// settle sets what go-redis would not choose for us: by default a deadline of
// ctx is not honoured, a stalled server is waited for through five seconds and
// a failed command is sent four times.
func settle(opt *redis.UniversalOptions) {
	opt.ContextTimeoutEnabled = true
	opt.DialTimeout, opt.DialerRetries = callTime, 1
	opt.ReadTimeout, opt.WriteTimeout = replyTime, replyTime
	opt.PoolTimeout = callTime
	opt.MaxRetries = -1 // a Source looks again anyway, and a second try would double the time of the first
	opt.Protocol = 2    // nothing is pushed to us
	opt.DisableIdentity = true
	opt.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
}

func refuse(why string) error { return fmt.Errorf("%w %s", ErrURL, why) }

// parse reads a URL as go-redis does, but refuses what go-redis would guess or
// leave out, and all knobs but those above.
func parse(text string) (*redis.UniversalOptions, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil, u.Opaque != "", u.Fragment != "": // the cause would repeat the URL
		return nil, refuse("is not a URL; special characters in a password are written as %XX")
	case u.Scheme != "redis" && u.Scheme != "rediss":
		return nil, refuse("must begin with redis:// or rediss://")
	case u.Hostname() == "":
		return nil, refuse("names no host")
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, refuse("has parameters that are not written as name=value")
	}
	opt := &redis.UniversalOptions{Addrs: []string{u.Host}}
	if u.Port() == "" {
		opt.Addrs[0] = net.JoinHostPort(u.Hostname(), usualPort(query))
	}
	if u.Scheme == "rediss" {
		opt.TLSConfig = &tls.Config{ServerName: u.Hostname(), MinVersion: tls.VersionTLS12}
	}
	if err := setParameters(opt, query); err != nil {
		return nil, err
	}
	setUser(opt, u, query)
	return opt, setDatabase(opt, u.Path)
}

func usualPort(query url.Values) string {
	if query.Has("master_name") {
		return "26379"
	}
	return "6379"
}

// setParameters reads what stands behind the question mark.
func setParameters(opt *redis.UniversalOptions, query url.Values) error {
	for name, values := range query {
		if !slices.Contains([]string{"addr", "cluster", "master_name", "username", "password"}, name) {
			return refuse("has an unknown parameter; known are addr, cluster, master_name, username and password")
		}
		if name != "addr" && len(values) > 1 {
			return refuse("has a parameter twice; only addr may be")
		}
	}
	for _, addr := range query["addr"] {
		host, port, err := net.SplitHostPort(addr)
		if n, _ := strconv.ParseUint(port, 10, 16); err != nil || host == "" || n == 0 {
			return refuse("has an addr that is not host:port")
		}
		opt.Addrs = append(opt.Addrs, addr)
	}
	opt.MasterName = query.Get("master_name")
	switch cluster := query.Get("cluster"); {
	case query.Has("master_name") && opt.MasterName == "":
		return refuse("has an empty master_name")
	case query.Has("cluster") && cluster != "true":
		return refuse("may say cluster=true and nothing else of it")
	case query.Has("cluster") && opt.MasterName != "":
		return refuse("has both cluster and master_name")
	}
	opt.IsClusterMode = opt.MasterName == "" && len(opt.Addrs)+len(query["cluster"]) > 1
	if opt.MasterName == "" && (query.Has("username") || query.Has("password")) {
		return refuse("may give username and password as parameters only with master_name")
	}
	return nil
}

func setUser(opt *redis.UniversalOptions, u *url.URL, query url.Values) {
	user := u.User.Username()
	password, _ := u.User.Password()
	if opt.MasterName == "" {
		opt.Username, opt.Password = user, password
		return
	}
	opt.SentinelUsername, opt.SentinelPassword = user, password
	opt.Username, opt.Password = query.Get("username"), query.Get("password")
}

func setDatabase(opt *redis.UniversalOptions, path string) error {
	text := strings.Trim(path, "/")
	if text == "" {
		return nil
	}
	n, err := strconv.ParseUint(text, 10, 16)
	switch {
	case err != nil:
		return refuse("has a path that is not the number of a database")
	case n != 0 && opt.IsClusterMode:
		return refuse("gives a database, but a Cluster has only number 0")
	}
	opt.DB = int(n)
	return nil
}
