// Package audit records who did what: each change through the operator's API, the
// console or the command line, apart from entries, which are in the ledger with their
// actor.
//
// A record is written in two parts, and neither is changed or deleted afterwards.
// Begin writes who, from where and what before anything is done, so that nothing is
// done without a record. The outcome is written when the work has ended. If the
// process dies in between, the outcome of the record is unknown.
//
// A record has no secret. Of a member it has the ID, card_ids and codes, and of what
// the member entered only the names of the fields.
package audit

import (
	"context"
	"encoding/json"
	"time"
)

// Source is the way by which something was done.
type Source string

// The sources.
const (
	API     Source = "api"
	Console Source = "console"
	CLI     Source = "cli"
)

// Origin is who does something, and from where. Address is that of the client, or of
// the proxy before it.
type Origin struct {
	Actor, Role string
	Source      Source
	Address     string
	RequestID   string // of the request in the log
}

// Target is what something is done to. Subject is the ID of a member, of a person of
// the staff or of a message, or the name of what else it is.
type Target struct{ CardID, Code, Subject string }

// Result is how something ended.
type Result string

// The results. What was refused has changed nothing. What has failed may have changed
// something, at WeChat say.
const (
	Unknown Result = "unknown"
	Done    Result = "done"
	Refused Result = "refused"
	Failed  Result = "failed"
)

// Change is one thing that an action has changed. Before is absent for what was not
// there or not read, and After for what is not there any more.
type Change struct {
	Field  string `json:"field"`
	Before any    `json:"before,omitempty"`
	After  any    `json:"after,omitempty"`
}

// Outcome is how an action ended. Problem is the code of the error that the client
// got.
type Outcome struct {
	Result  Result
	Problem string
	Changes json.RawMessage // of []Change; empty for none
}

// Record is one action. Without an outcome its Result is Unknown.
type Record struct {
	ID string
	At time.Time
	Origin
	Action string
	Target
	Outcome
}

// Filter selects records. A field that is empty or zero selects all. Code counts only
// together with CardID.
type Filter struct {
	From, To              time.Time
	Actor, Action         string
	CardID, Code, Subject string
}

// Mark is the place of a record in a list. The zero Mark is before the newest.
type Mark struct {
	At time.Time
	ID string
}

// Store keeps records. It is safe for concurrent use.
type Store interface {
	// Begin adds a record without an outcome. The time is that of the database.
	Begin(ctx context.Context, r Record) error
	// End adds the outcome of a record. A second one is ignored.
	End(ctx context.Context, id string, o Outcome) error
	// List returns up to n records that f selects, those after the mark, newest first.
	List(ctx context.Context, f Filter, after Mark, n int) ([]Record, error)
}
