package redisstore

import (
	"errors"
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
	_, err := parseURL(text)
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
	opt, err := parseURL(text)
	if err != nil {
		return nil, err
	}
	setTimeouts(opt)
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
const replyTimeout = 300 * time.Millisecond

// settle sets what go-redis would not choose for us: by default a deadline of
// ctx is not honoured, a stalled server is waited for through five seconds and
// a failed command is sent four times.
func setTimeouts(opt *redis.UniversalOptions) {
	opt.ContextTimeoutEnabled = true
	opt.DialTimeout, opt.DialerRetries = callTimeout, 1
	opt.ReadTimeout, opt.WriteTimeout = replyTimeout, replyTimeout
	opt.PoolTimeout = callTimeout
	opt.MaxRetries = -1 // a Source looks again anyway, and a second try would double the time of the first
	opt.Protocol = 2    // nothing is pushed to us
	opt.DisableIdentity = true
	opt.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
}
