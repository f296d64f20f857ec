package redis

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/addcard/addcard/internal/testing/process"
)

const slots = 16384

// ClusterNodes is a Cluster of three masters with one replica each. A dead
// master is replaced within about two seconds.
type ClusterNodes struct {
	Servers []*Server // three masters, then their replicas, as at the start

	t testing.TB
}

// Cluster starts a Cluster and returns when all slots are served.
func Cluster(t testing.TB) *ClusterNodes {
	t.Helper()
	n := &ClusterNodes{t: t}
	for range 6 {
		n.Servers = append(n.Servers, node(t))
	}
	for i, s := range n.Servers {
		s.Do("CLUSTER", "SET-CONFIG-EPOCH", strconv.Itoa(i+1))
		if i < 3 {
			s.Do("CLUSTER", "ADDSLOTSRANGE", strconv.Itoa(slots*i/3), strconv.Itoa(slots*(i+1)/3-1))
		}
		s.Do("CLUSTER", "MEET", "127.0.0.1", port(n.Servers[0].Addr), n.Servers[0].bus())
	}
	await(t, "the nodes to know each other", func() bool { return n.all("cluster_known_nodes:6\r") })
	for i, s := range n.Servers[3:] {
		s.Do("CLUSTER", "REPLICATE", fmt.Sprint(n.Servers[i].Do("CLUSTER", "MYID")))
	}
	n.AwaitReady()
	return n
}

func node(t testing.TB) *Server {
	t.Helper()
	bus := port(process.FreeAddr(t))
	s := Single(t, "--cluster-enabled", "yes", "--cluster-port", bus, "--cluster-node-timeout", "600",
		"--cluster-replica-validity-factor", "0", "--cluster-allow-replica-migration", "no")
	return s
}

// bus returns the port of the cluster bus.
func (s *Server) bus() string {
	conf, _ := s.Do("CONFIG", "GET", "cluster-port").([]any)
	return fmt.Sprint(conf[1])
}

// AwaitReady returns when every node reports that all slots are served and
// every replica follows its master.
func (n *ClusterNodes) AwaitReady() {
	n.t.Helper()
	await(n.t, "the Cluster", func() bool { return n.all("cluster_state:ok\r") && n.following() == 3 })
}

func (n *ClusterNodes) all(line string) bool {
	for _, s := range n.Servers {
		if info, _ := s.Do("CLUSTER", "INFO").(string); !strings.Contains(info, line) {
			return false
		}
	}
	return true
}

// following returns the number of replicas with a connection to their master.
func (n *ClusterNodes) following() (count int) {
	for _, s := range n.Servers {
		if info, _ := s.Do("INFO", "replication").(string); strings.Contains(info, "master_link_status:up") {
			count++
		}
	}
	return count
}

// URL returns the REDIS_URL of this Cluster.
func (n *ClusterNodes) URL() string {
	return fmt.Sprintf("redis://%s?addr=%s&addr=%s", n.Servers[0].Addr, n.Servers[1].Addr, n.Servers[2].Addr)
}

// Owner returns the running master of key's slot.
func (n *ClusterNodes) Owner(key string) *Server {
	n.t.Helper()
	for _, s := range n.Servers {
		if s.cmd == nil {
			continue
		}
		// The other nodes refuse TYPE for a key of this slot.
		if _, err := s.tryDo("TYPE", key); err == nil {
			return s
		}
	}
	n.t.Fatalf("redis: no node has %q", key)
	return nil
}

// Fail kills the master of key's slot and returns when its replica has taken
// over and every running node knows it.
func (n *ClusterNodes) Fail(key string) (dead *Server) {
	n.t.Helper()
	dead = n.Owner(key)
	dead.Kill()
	await(n.t, "the replica to take over", func() bool {
		for _, s := range n.Servers {
			if s == dead {
				continue
			}
			if info, _ := s.Do("CLUSTER", "INFO").(string); !strings.Contains(info, "cluster_state:ok\r") {
				return false
			}
			if _, err := s.tryDo("TYPE", key); err == nil {
				return true
			}
		}
		return false
	})
	return dead
}

// Move assigns the slot of key to another master, as resharding does, and
// returns when every node knows it. The key must not exist.
func (n *ClusterNodes) Move(key string) {
	n.t.Helper()
	slot := fmt.Sprint(n.Servers[0].Do("CLUSTER", "KEYSLOT", key))
	to := n.Servers[0]
	if n.Owner(key) == to {
		to = n.Servers[1]
	}
	id := fmt.Sprint(to.Do("CLUSTER", "MYID"))
	to.Do("CLUSTER", "SETSLOT", slot, "NODE", id)
	for _, s := range n.Servers[:3] {
		s.Do("CLUSTER", "SETSLOT", slot, "NODE", id)
	}
}
