// Package trail records what happened to a member or a card and leaves no other row
// in the database, so that package timeline can say why a card is as it is: logins,
// phone numbers that were verified, cardExts, the outcomes of messages to WeChat, and what the reconciler found.
//
// A row about a card is written by the transaction that it tells of. Those about a
// member have none: a [Recorder] takes them without waiting, and writes them
// later. Nothing depends on the rows, and they are deleted after 180 days.
package trail

import "time"

// The kinds of rows.
const (
	Login       = "login"
	Phone       = "phone"        // WeChat has verified a phone number
	CardExt     = "card_ext"     // a cardExt was signed
	PushSent    = "push_sent"    // a message was done with
	PushFailed  = "push_failed"  // a message was not sent, and is tried again
	PushRefused = "push_refused" // WeChat refused a message, which is parked
	Reconciled  = "reconcile"    // the reconciler found a difference
)

// Row is something that happened. Login, Phone and CardExt are about a member, the other
// kinds about a code, whoever holds it. A CardExt of a card whose codes WeChat
// chooses has no code.
type Row struct {
	MemberID     string
	CardID, Code string
	Kind         string
	At           time.Time // zero: now, by the clock of the database
	Detail       Detail
}

// Detail is what a row says besides. Each kind has its own fields.
type Detail struct {
	Message     string `json:"message,omitempty"` // the kind of the message
	ID          string `json:"id,omitempty"`      // of the message
	Attempts    int64  `json:"attempts,omitempty"`
	Text        string `json:"text,omitempty"` // WeChat's words
	Outcome     string `json:"outcome,omitempty"`
	FaceBonus   *int64 `json:"face_bonus,omitempty"` // what the face showed
	FaceBalance *int64 `json:"face_balance,omitempty"`
}
