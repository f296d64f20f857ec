package redisstore

import (
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// ErrURL is returned by [CheckURL] and [Open] for an invalid URL. The text says
// what is wrong and does not repeat any part of the URL.
var ErrURL = errors.New("redisstore: REDIS_URL")

// CheckURL reports whether Open would accept text, without using the network.
// Errors: ErrURL.
func CheckURL(text string) error {
	_, err := parseURL(text)
	return err
}

// Open returns a client for the servers of a REDIS_URL, in the forms of
// go-redis. It does not connect: a server of addcard that starts while Redis is
// down uses it as soon as it is up. The caller must close the client. Errors:
// ErrURL.
//
//	redis://[user:password@]host[:port][/database]            one server
//	redis://[…@]sentinel[:port][/database]?master_name=NAME   Sentinel
//	redis://[user:password@]node[:port]?cluster=true          Cluster
//
// rediss:// uses TLS 1.2 or later and accepts certificates that the system
// trusts and that are for the host of the URL. The parameter addr=host:port,
// which may be repeated, adds Sentinels or nodes; without master_name it
// implies a Cluster. The default port is 6379, and 26379 for Sentinels. With
// Sentinel, the user and password before the host are for the Sentinels, and
// the parameters username and password are for the servers.
func Open(text string) (redis.UniversalClient, error) {
	opt, err := parseURL(text)
	if err != nil {
		return nil, err
	}
	setTimeouts(opt)
	if opt.MasterName == "" && opt.IsClusterMode {
		cluster := opt.Cluster()
		// A call is not repeated when its node is down, so the client finds the
		// node's successor only when it reloads the state of the Cluster.
		cluster.ClusterStateReloadInterval = 2 * time.Second
		cluster.DisableRoutingPolicies = true // our scripts name their key
		client := redis.NewClusterClient(cluster)
		client.OnNewNode(func(node *redis.Client) { node.AddHook(&hello{}) })
		return client, nil
	}
	client := redis.NewUniversalClient(opt)
	client.AddHook(&hello{})
	return client, nil
}

// replyTimeout is how long a server that accepted the connection may take to
// reply.
const replyTimeout = 300 * time.Millisecond

// setTimeouts replaces the defaults of go-redis, which do not honour the
// deadline of ctx, wait five seconds for a stalled server, and send a failed
// command four times.
func setTimeouts(opt *redis.UniversalOptions) {
	opt.ContextTimeoutEnabled = true
	opt.DialTimeout, opt.DialerRetries = callTimeout, 1
	opt.ReadTimeout, opt.WriteTimeout = replyTimeout, replyTimeout
	opt.PoolTimeout = callTimeout
	opt.MaxRetries = -1 // a Source polls again anyway, and a retry would double the time of a call
	opt.Protocol = 2    // we use no push messages
	opt.DisableIdentity = true
	opt.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
}
