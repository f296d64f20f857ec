package redisstore

import (
	"context"
	"strings"
)

// Eviction returns the maxmemory-policy of the server, or "" if it does not say: its user
// may not have the command INFO.
func (s *Store) Eviction(ctx context.Context) string {
	info, err := s.client.Info(ctx, "memory").Result()
	if err != nil {
		return ""
	}
	_, policy, _ := strings.Cut(info, "maxmemory_policy:")
	policy, _, _ = strings.Cut(policy, "\r\n")
	return policy
}
