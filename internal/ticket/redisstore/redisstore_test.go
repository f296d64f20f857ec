package redisstore_test

import (
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	redistest "github.com/addcard/addcard/internal/testing/redis"
	"github.com/addcard/addcard/internal/ticket"
	"github.com/addcard/addcard/internal/ticket/redisstore"
	"github.com/addcard/addcard/internal/ticket/tickettest"
)

func TestStore_Single(t *testing.T) {
	t.Parallel()
	s := redistest.Single(t)
	run(t, s.URL(), func(string) *redistest.Server { return s })
}

func TestStore_Sentinel(t *testing.T) {
	t.Parallel()
	f := redistest.Sentinel(t)
	run(t, f.URL(), func(string) *redistest.Server { return f.Master() })
}

func TestStore_Cluster(t *testing.T) {
	t.Parallel()
	n := redistest.Cluster(t)
	run(t, n.URL(), n.Owner)
}

func TestStore_Sealed(t *testing.T) {
	t.Parallel()
	s := redistest.Single(t)
	store, err := ticket.Seal(patient{connect(t, s.URL())}, "secret-of-the-app")
	if err != nil {
		t.Fatal(err)
	}
	tickettest.Run(t, func(*testing.T) tickettest.Harness { return tickettest.Harness{Store: store} })
}

// run runs the suite on the servers of url; owner returns the server that has a
// key.
func run(t *testing.T, url string, owner func(string) *redistest.Server) {
	h := tickettest.Harness{
		Store: patient{connect(t, url)},
		Dead:  connect(t, strings.ReplaceAll(url, "127.0.0.1:", "127.0.0.2:")), // where no server listens
		Corrupt: func(t *testing.T, key string) {
			owner(row(key)).Do("LPUSH", row(key), "junk")
		},
	}
	tickettest.Run(t, func(*testing.T) tickettest.Harness { return h })
}

// row returns the Redis key of a credential.
func row(key string) string {
	i := strings.LastIndex(key, ":")
	return "addcard:{" + key[:i] + "}" + key[i:]
}

func open(t testing.TB, url string) redis.UniversalClient {
	t.Helper()
	client, err := redisstore.Open(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	})
	return client
}

func connect(t testing.TB, url string) *redisstore.Store {
	t.Helper()
	return redisstore.New(open(t, url))
}
