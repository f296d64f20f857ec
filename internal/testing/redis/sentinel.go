package redis

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const masterName = "addcard"

// SentinelGroup is a master with replicas and three Sentinels, which are
// configured to replace a dead master within about a second.
type SentinelGroup struct {
	Servers   []*Server // the first one is the master at the start
	Sentinels []*Server

	t testing.TB
}

// Sentinel starts a master, two replicas and three Sentinels, and returns when
// all know each other.
func Sentinel(t testing.TB) *SentinelGroup {
	t.Helper()
	f := &SentinelGroup{t: t, Servers: []*Server{Single(t)}}
	for range 2 {
		replica := Single(t)
		f.Servers = append(f.Servers, replica)
		f.follow(replica, f.Servers[0])
	}
	for range 3 {
		f.Sentinels = append(f.Sentinels, f.newSentinel())
	}
	await(t, "the Sentinels to know each other", func() bool { return f.isReady(f.Servers[0]) })
	return f
}

func (f *SentinelGroup) follow(replica, master *Server) {
	replica.Do("REPLICAOF", "127.0.0.1", port(master.Addr))
	await(f.t, "replica "+replica.Addr, func() bool {
		info, _ := replica.Do("INFO", "replication").(string)
		return strings.Contains(info, "master_link_status:up")
	})
}

// newSentinel starts a Sentinel, which writes to its own configuration file.
func (f *SentinelGroup) newSentinel() *Server {
	master := port(f.Servers[0].Addr)
	s := &Server{t: f.t, commandLine: func(dir, port string) (string, []string) {
		text := fmt.Sprintf(`port %s
bind 127.0.0.1
dir %s
sentinel monitor %[3]s 127.0.0.1 %[4]s 2
sentinel down-after-milliseconds %[3]s 600
sentinel failover-timeout %[3]s 2000
`, port, dir, masterName, master)
		file := filepath.Join(dir, "sentinel.conf")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			f.t.Fatal(err)
		}
		return "redis-sentinel", []string{file}
	}}
	s.launch()
	// A replica can be promoted if it has reported its state within the last five
	// ping periods. During a failover it is asked once a second.
	s.Do("SENTINEL", "DEBUG", "INFO-PERIOD", "100", "PING-PERIOD", "250", "PUBLISH-PERIOD", "100",
		"ASK-PERIOD", "50", "ELECTION-TIMEOUT", "1000")
	return s
}

// isReady reports whether every Sentinel considers master the master, and knows
// the other Sentinels and all replicas, of which none is down.
func (f *SentinelGroup) isReady(master *Server) bool {
	for _, s := range f.Sentinels {
		m := pairs(s.Do("SENTINEL", "MASTER", masterName))
		if m["port"] != port(master.Addr) || m["flags"] != "master" || m["num-other-sentinels"] != "2" {
			return false
		}
		replicas, _ := s.Do("SENTINEL", "REPLICAS", masterName).([]any)
		up := 0
		for _, r := range replicas {
			if p := pairs(r); p["flags"] == "slave" && p["master-link-status"] == "ok" {
				up++
			}
		}
		if up != len(f.Servers)-1 {
			return false
		}
	}
	return true
}

func pairs(reply any) map[string]string {
	list, _ := reply.([]any)
	m := map[string]string{}
	for i := 0; i+1 < len(list); i += 2 {
		m[fmt.Sprint(list[i])] = fmt.Sprint(list[i+1])
	}
	return m
}

// URL returns the REDIS_URL of these Sentinels.
func (f *SentinelGroup) URL() string {
	return fmt.Sprintf("redis://%s?master_name=%s&addr=%s&addr=%s",
		f.Sentinels[0].Addr, masterName, f.Sentinels[1].Addr, f.Sentinels[2].Addr)
}

// Master returns the server that most Sentinels consider the master.
func (f *SentinelGroup) Master() *Server {
	f.t.Helper()
	votes := map[string]int{}
	for _, s := range f.Sentinels {
		addr, _ := s.Do("SENTINEL", "GET-MASTER-ADDR-BY-NAME", masterName).([]any)
		if len(addr) == 2 {
			votes[fmt.Sprint(addr[0], ":", addr[1])]++
		}
	}
	for _, s := range f.Servers {
		if votes[s.Addr] >= 2 {
			return s
		}
	}
	f.t.Fatalf("redis: the Sentinels do not agree on a master: %v", votes)
	return nil
}

// Fail kills the master and returns it when another server has been promoted.
// See Rejoin.
func (f *SentinelGroup) Fail() (dead *Server) {
	f.t.Helper()
	dead = f.Master()
	dead.Kill()
	f.awaitPromotion(dead)
	return dead
}

// FailLosingWrites kills the master and loses all that it writes while write
// runs: no replica receives it. It returns the dead master when another server
// has been promoted.
func (f *SentinelGroup) FailLosingWrites(write func()) (dead *Server) {
	f.t.Helper()
	dead = f.Master()
	for _, s := range f.Servers {
		if s != dead {
			s.Pause()
			defer s.Resume() // in case write ends the test
		}
	}
	dead.Do("CLIENT", "KILL", "TYPE", "replica") // or they would read the writes from their connections later
	write()
	dead.Kill()
	for _, s := range f.Servers {
		if s != dead {
			s.Resume()
		}
	}
	f.awaitPromotion(dead)
	return dead
}

// awaitPromotion returns when another server than old is the master and
// confirms it.
func (f *SentinelGroup) awaitPromotion(old *Server) {
	f.t.Helper()
	await(f.t, "a new master", func() bool {
		now := f.Master()
		if now == old {
			return false
		}
		role, err := now.tryDo("ROLE")
		list, _ := role.([]any)
		return err == nil && len(list) > 0 && list[0] == "master"
	})
}

// Rejoin starts a dead server again, empty, as a replica of the master, and
// returns when all servers are ready.
func (f *SentinelGroup) Rejoin(dead *Server) {
	f.t.Helper()
	dead.Restart()
	f.AwaitReady()
}

// AwaitReady returns when the Sentinels agree and all servers are up.
func (f *SentinelGroup) AwaitReady() {
	f.t.Helper()
	await(f.t, "all servers to be in their places", func() bool { return f.isReady(f.Master()) })
}
