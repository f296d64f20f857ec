package member

import (
	"context"
	"time"
)

// Message is something that WeChat has to be told or asked about one card.
// Those of one card go out one after the other, in the order in which they
// were enqueued.
type Message struct {
	ID           string
	CardID, Code string
	Kind         string
	Payload      string
	Attempts     int64 // how often it failed; a crash is no failure
	Started      bool  // it was taken before: its effect may be there already
	Lease        string
}

// The kinds of messages.
const (
	activateCard = "activate"    // /card/membercard/activate
	lookAtCard   = "look"        // /card/membercard/userinfo/get decides
	applyEvent   = "apply_event" // of a card the catalogue has to learn first
)

// Backlog is what the outbox holds.
type Backlog struct {
	Waiting, Dead int64
	Oldest        time.Duration // the age of the oldest that waits
}

// Backlog tells how much waits for WeChat.
func (s *Service) Backlog(ctx context.Context) (Backlog, error) { return s.store.Waiting(ctx) }

// wake tells the Sender that something may be due. It never blocks.
func (s *Service) wake() {
	select {
	case s.due <- struct{}{}:
	default:
	}
}
