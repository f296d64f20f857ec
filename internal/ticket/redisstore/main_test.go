package redisstore_test

import (
	"log/slog"
	"os"
	"testing"

	"addcard/internal/ticket/redisstore"
)

// What go-redis says of the faults that are made here would bury the results.
func TestMain(m *testing.M) {
	redisstore.LogTo(slog.New(slog.DiscardHandler))
	os.Exit(m.Run())
}
