package redis_test

import (
	"strings"
	"testing"

	"github.com/addcard/addcard/internal/testing/redis"
)

func TestSingle_ComesBackEmpty(t *testing.T) {
	t.Parallel()
	s := redis.Single(t)
	s.Do("SET", "k", "v")
	if got := s.Do("GET", "k"); got != "v" {
		t.Errorf("GET = %v", got)
	}
	s.Restart()
	if got := s.Do("GET", "k"); got != nil {
		t.Errorf("GET after a restart = %v, want nothing", got)
	}
}

func TestSentinel_ReplacesADeadMaster(t *testing.T) {
	t.Parallel()
	f := redis.Sentinel(t)
	first := f.Master()
	if first != f.Servers[0] {
		t.Errorf("first master = %s", first.Addr)
	}
	dead := f.Fail()
	if dead != first || f.Master() == first {
		t.Errorf("%s died, the master is %s", dead.Addr, f.Master().Addr)
	}
	f.Rejoin(dead)
	if info, _ := dead.Do("INFO", "replication").(string); !strings.Contains(info, "role:slave") {
		t.Errorf("rejoined as %s", info)
	}
}

func TestCluster_ReplacesADeadMaster(t *testing.T) {
	t.Parallel()
	n := redis.Cluster(t)
	const key = "{a}b"
	n.Owner(key).Do("SET", key, "v")
	first := n.Owner(key)
	n.Fail(key)
	if now := n.Owner(key); now == first {
		t.Errorf("owner is still %s", now.Addr)
	}
}
