// Package webhook tells other systems of the shop what happens: a till, a CRM. An
// endpoint is a URL that subscribes to types of events. Each event is stored as a
// delivery for each endpoint by the transaction that causes it, and is sent afterwards,
// at least once, after the Standard Webhooks specification
// (https://www.standardwebhooks.com).
//
// The triggers of the database store the events, so that none is forgotten; see
// [Types] for what they tell. The deliveries of one member to one endpoint form a
// queue, as do those of a card that are about no member. A queue is sent one delivery at
// a time, in the order in which the transactions were committed. A delivery that fails
// is repeated after a growing back-off and holds up its queue; after a wait of a day it
// is parked, until an operator resends it, and holds up nothing. An endpoint that does
// not answer is paused as a whole.
package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"time"
)

var (
	// ErrNotFound is returned for an endpoint or a delivery that is not there.
	ErrNotFound = errors.New("webhook: not found")
	// ErrTooMany is returned by Add when there are MaxEndpoints.
	ErrTooMany = errors.New("webhook: too many endpoints")
	// ErrNoKeys is returned when a secret would have to be stored without DATA_KEYS, or
	// when no key of DATA_KEYS opens one.
	ErrNoKeys = errors.New("webhook: DATA_KEYS cannot seal or open the secret")
	// ErrLeaseLost is returned when another replica sends the delivery by now.
	ErrLeaseLost = errors.New("webhook: the lease of the queue is lost")
)

// InvalidError says which field of an endpoint is wrong.
type InvalidError struct{ Field, Message string }

// Error implements error.
func (e *InvalidError) Error() string { return e.Field + ": " + e.Message }

// The bounds of endpoints.
const (
	MaxEndpoints   = 16
	MaxURL         = 2000 // bytes
	MaxDescription = 200  // bytes
)

// Types are the types of events. All is the subscription to every type, also of later
// versions.
var Types = []string{
	"member.created", "card.claimed", "card.activated", "card.deleted", "card.restored", "card.gifted", "card.unavailable",
	"entry.created", "form.submitted", "push.parked", "card.reviewed", "stock.low",
}

const (
	// All subscribes to every type.
	All = "*"
	// TestType is the type of what [Service.Test] sends.
	TestType = "webhook.test"
)

// Endpoint is a URL and the events that it gets.
type Endpoint struct {
	ID          string
	URL         string
	Description string
	Events      []string // Types, or All
	Enabled     bool
	// DisabledReason says why addcard has switched the endpoint off, or is empty.
	DisabledReason string
	CreatedAt      time.Time
	LastSuccessAt  time.Time // up to ten seconds late
	LastError      string    // of the last attempt that failed since then

	// The secrets, sealed. The previous one also signs until PreviousUntil.
	Secret, PreviousSecret string
	PreviousUntil          time.Time
}

// Status is an endpoint, and what waits for it.
type Status struct {
	Endpoint
	Waiting, Dead int64
	OldestWaiting time.Time // zero if nothing waits
}

// The states of a delivery.
const (
	Waiting = "waiting"
	Parked  = "dead"
	Done    = "done"
)

// Delivery is an event for one endpoint.
type Delivery struct {
	Seq                    int64 // orders the deliveries of a queue
	WebhookID, Queue       string
	ID                     string // the webhook-id: the same in every attempt
	Type                   string
	MemberID, CardID, Code string // empty if the event is about none
	Data                   string // JSON: what the event says besides
	HappenedAt             time.Time
	State                  string
	Attempts               int64 // that failed
	LastError              string
	DueAt                  time.Time // of the queue; zero unless it waits
	Lease                  string
	// Probe says that the endpoint does not answer, and that this delivery tries it again.
	Probe bool
}

// Mark is a place in the list of deliveries, which has the newest first. The zero Mark
// is its beginning.
type Mark struct {
	HappenedAt time.Time
	Seq        int64
}

// Mark returns the place behind d.
func (d Delivery) Mark() Mark { return Mark{d.HappenedAt, d.Seq} }

// Filter selects deliveries; a field that is empty selects all.
type Filter struct{ State, Type string }

// Span is a range of time, and types of events; no types are all.
type Span struct {
	From, To time.Time // To is not in it
	Types    []string
}

// Failure is what became of an attempt that failed.
type Failure struct {
	Why  string
	Wait time.Duration // until the next attempt
	Park bool          // there is none
	// NoAnswer says that the endpoint did not answer, or is overloaded.
	NoAnswer bool
	// Disable is not empty if the endpoint wants no more events.
	Disable string
}

// Store keeps endpoints and deliveries. It is safe for concurrent use.
type Store interface {
	// Add stores an endpoint, or returns ErrTooMany. It sets CreatedAt.
	Add(ctx context.Context, e *Endpoint) error
	// Endpoints lists the endpoints, the oldest first.
	Endpoints(ctx context.Context) ([]Status, error)
	// Endpoint returns an endpoint, or ErrNotFound.
	Endpoint(ctx context.Context, id string) (Endpoint, error)
	// Change stores what change makes of an endpoint, and ends its pause. An error of
	// change is returned, and changes nothing. change may run more than once. With
	// keepPrevious, the present secret becomes the previous one for that long.
	Change(ctx context.Context, id string, keepPrevious time.Duration, change func(*Endpoint) error) (Endpoint, error)
	// Remove hides an endpoint; Purge deletes it later with its deliveries.
	Remove(ctx context.Context, id string) error
	// Deliveries lists up to n deliveries of an endpoint after the mark.
	Deliveries(ctx context.Context, id string, f Filter, after Mark, n int) ([]Delivery, error)
	// Resend makes a delivery wait that is done or parked, and one that waits due. It
	// returns ErrNotFound for an unknown one.
	Resend(ctx context.Context, id, eventID string) error
	// ResendSpan does so for the oldest n deliveries of the span that are done or parked
	// and after the mark. It returns their marks.
	ResendSpan(ctx context.Context, id string, s Span, after Mark, n int) ([]Mark, error)
	// Purge deletes up to n deliveries that were done before the age, or whose endpoint
	// was removed. It returns how many.
	Purge(ctx context.Context, age time.Duration, n int) (int64, error)
	Queue
}

// Queue is how [Service.Run] works on a Store. Done, Fail and Release return ErrLeaseLost,
// and change nothing, if the queue is not leased under the name d.Lease.
type Queue interface {
	// Due returns the endpoints that have due deliveries and are not paused.
	Due(ctx context.Context) ([]string, error)
	// Lease leases up to n due queues of an endpoint under the name lease and returns
	// the oldest delivery of each. Of an endpoint that does not answer it leases one, the
	// probe, at the end of each pause.
	Lease(ctx context.Context, id, lease string, time time.Duration, n int) ([]Delivery, error)
	// Done records that d was delivered, and returns the next delivery of the queue,
	// leased for the given time, or ErrNotFound if nothing waits.
	Done(ctx context.Context, d Delivery, time time.Duration) (Delivery, error)
	// Fail records that an attempt failed, and ends the lease. While an endpoint is
	// paused, only a probe makes the pause longer: the other attempts began before it.
	Fail(ctx context.Context, d Delivery, f Failure) error
	// Release ends the lease without an attempt; the queue is due.
	Release(ctx context.Context, d Delivery) error
}

// body returns the body of a delivery. It is the same in every attempt.
func (d Delivery) body() ([]byte, error) {
	about, err := json.Marshal(struct {
		CardID   string `json:"card_id,omitempty"`
		Code     string `json:"code,omitempty"`
		MemberID string `json:"member_id,omitempty"`
	}{d.CardID, d.Code, d.MemberID})
	if err != nil {
		return nil, err
	}
	data := string(about)
	switch {
	case data == "{}":
		data = d.Data
	case d.Data != "{}":
		data = data[:len(data)-1] + "," + d.Data[1:]
	}
	return json.Marshal(struct {
		Type      string          `json:"type"`
		Timestamp time.Time       `json:"timestamp"`
		Data      json.RawMessage `json:"data"`
	}{d.Type, d.HappenedAt.UTC(), json.RawMessage(data)})
}
