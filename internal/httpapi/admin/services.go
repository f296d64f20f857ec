package admin

import (
	"context"
	"encoding/json"
	"io"
	"time"

	"github.com/addcard/addcard/internal/audit"
	"github.com/addcard/addcard/internal/card"
	"github.com/addcard/addcard/internal/cardext"
	"github.com/addcard/addcard/internal/cardsync"
	"github.com/addcard/addcard/internal/doctor"
	"github.com/addcard/addcard/internal/httpapi/internal/web"
	"github.com/addcard/addcard/internal/importer"
	"github.com/addcard/addcard/internal/ledger"
	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/outbox"
	"github.com/addcard/addcard/internal/sheet"
	"github.com/addcard/addcard/internal/shop"
	"github.com/addcard/addcard/internal/staff"
	"github.com/addcard/addcard/internal/statistics"
	"github.com/addcard/addcard/internal/ticket"
	"github.com/addcard/addcard/internal/timeline"
	"github.com/addcard/addcard/internal/webhook"
)

// Services are the capabilities behind the routes.
type Services struct {
	Cards        Cards
	Distribution Distribution
	Explainer    Explainer
	People       People
	Forms        Forms
	Fields       Fields
	Imports      Imports
	Ledger       Ledger
	Drifts       Drifts
	Outbox       Outbox
	Timelines    Timelines
	Tickets      Tickets
	Staff        Staff
	Audit        Audit
	Shop         Shop
	Statistics   Statistics
	Checks       Checks
	Webhooks     Webhooks
}

// Cards creates, reads and changes cards of the Official Account; see package
// card.
type Cards interface {
	Create(ctx context.Context, doc card.Document) (cardID string, err error)
	List(ctx context.Context) ([]card.Card, error)
	Get(ctx context.Context, cardID string) (card.Card, error)
	Show(ctx context.Context, cardID string) (card.Card, json.RawMessage, error)
	Update(ctx context.Context, cardID string, doc card.Document) (card.Change, error)
	Delete(ctx context.Context, cardID string) error
	Stock(ctx context.Context, cardID string, delta int64) error
	Settings(ctx context.Context, cardID string, change card.SettingsChange) (card.Card, error)
	ActivationForm(ctx context.Context, cardID string, doc card.Document) error
}

// Distribution brings cards and codes to their holders, and ends them; see
// package card.
type Distribution interface {
	QR(ctx context.Context, q card.QRCode) (card.QRTicket, error)
	Deposit(ctx context.Context, cardID string, codes []string, progress func([]card.CodeResult)) ([]card.CodeResult, error)
	Unavailable(ctx context.Context, cardID, code, reason string) error
	Whitelist(ctx context.Context, openIDs, userNames []string) error
	Image(ctx context.Context, picture []byte) (url string, err error)
	Shelf(ctx context.Context, doc card.Document) (url string, pageID int64, err error)
}

// Explainer finds out why a phone refuses a cardExt; see package cardlist.
type Explainer interface {
	Explain(ctx context.Context, cardID, cardExt string, facts cardext.Facts) (cardext.Report, error)
}

// People lists, finds, exports and erases members; see package member.
type People interface {
	People(ctx context.Context, after member.Mark, n int) ([]member.Person, error)
	Find(ctx context.Context, key string, n int) ([]member.Person, error)
	Person(ctx context.Context, memberID string) (member.Person, error)
	Export(ctx context.Context, w io.Writer, file sheet.File) error
	Erase(ctx context.Context, memberID string) error
	EraseWithCodes(ctx context.Context, memberID string) (codes int, err error)
	EraseImported(ctx context.Context, accountID string) error
}

// Forms opens the sealed answers of one-click forms.
type Forms interface {
	// Answers returns the answers for one card by field, and none if none are kept.
	Answers(ctx context.Context, cardID, code string) (map[string]string, error)
}

// Fields changes the custom fields of member cards; see package member.
type Fields interface {
	SetFields(ctx context.Context, cardID, code string, change member.FieldChange) (fields [3]string, err error)
}

// Imports imports the members of another system; see package importer.
type Imports interface {
	Start(ctx context.Context, file []byte, o importer.Options) (importer.Import, error)
	Get(ctx context.Context, id string) (importer.Import, error)
	List(ctx context.Context, n int) ([]importer.Import, error)
	Lines(ctx context.Context, importID, outcome string, after importer.Mark, n int) ([]importer.Result, error)
	Accounts(ctx context.Context, memberID string) ([]importer.Account, error)
	Waiting(ctx context.Context, key string, n int) ([]importer.Account, error)
}

// Ledger writes and reads the ledgers of member cards.
type Ledger interface {
	web.EntryLister
	AddEntry(ctx context.Context, cardID, code string, b ledger.Booking, r ledger.Request) (answer []byte, replayed bool, err error)
	AllEntries(ctx context.Context, f ledger.Filter, before ledger.Mark, n int) ([]ledger.CardEntry, error)
	Export(ctx context.Context, w io.Writer, file sheet.File, f ledger.Filter, zone *time.Location) error
}

// Drifts finds cards that show figures that WeChat has changed by itself; see
// package cardsync.
type Drifts interface {
	DriftOf(ctx context.Context, cardID, code string) (cardsync.Drift, error)
}

// Outbox lists the messages to WeChat and retries them.
type Outbox interface {
	Messages(ctx context.Context, f outbox.Filter, after outbox.Mark, n int) ([]outbox.Stored, error)
	Message(ctx context.Context, id string) (outbox.Stored, []outbox.Try, error)
	Backlog(ctx context.Context) (outbox.Backlog, error)
	Count(ctx context.Context, f outbox.Filter) (outbox.Backlog, error)
	Retry(ctx context.Context, id string) error
	RetryAll(ctx context.Context, actor string, f outbox.Filter) (outbox.RetryJob, error)
	RetryJob(ctx context.Context, id string) (outbox.RetryJob, error)
	RetryJobs(ctx context.Context, n int) ([]outbox.RetryJob, error)
	StopRetry(ctx context.Context, id string) error
}

// Timelines says what happened to a member; see package timeline.
type Timelines interface {
	Events(ctx context.Context, memberID string, m timeline.Mark, n int) ([]timeline.Event, error)
	Cards(ctx context.Context, memberID string, lang timeline.Lang) (cards []timeline.Card, why string, err error)
}

// Tickets shares the credentials of the Official Account.
type Tickets interface {
	// Shared returns the credential of that kind and the rest of its lifetime.
	Shared(ctx context.Context, kind string) (value string, left time.Duration, err error)
	// Reject reports that WeChat refused the value. It has an effect only if
	// the value is still the current one, and at most once a minute. With byHand, a
	// person wants another value, and WeChat need not have refused this one.
	Reject(ctx context.Context, kind, value string, byHand bool) error
	// Status returns how the credential of that kind is, and never its value.
	Status(kind string) ticket.Status
	// CallsToday returns this replica's calls to WeChat since midnight in Beijing, by
	// the path of the API.
	CallsToday() map[string]int
}

// Staff knows the people of the shop, and whose a token is; see package staff.
type Staff interface {
	Identify(ctx context.Context, kind staff.Kind, secret string) (staff.Identity, error)
	People(ctx context.Context) ([]staff.Person, error)
	Add(ctx context.Context, name string, role staff.Role) (staff.Person, error)
	Remove(ctx context.Context, id string) (staff.Person, error)
	NewLink(ctx context.Context, personID string) (secret string, k staff.Key, err error)
	NewToken(ctx context.Context, personID, label string) (secret string, k staff.Key, err error)
	Revoke(ctx context.Context, personID, keyID string) error
}

// Audit records what the operator's API changes, and lists it; see package audit.
type Audit interface {
	web.Recorder
	List(ctx context.Context, f audit.Filter, after audit.Mark, n int) ([]audit.Record, error)
	Export(ctx context.Context, w io.Writer, file sheet.File, f audit.Filter, zone *time.Location) error
}

// Shop reads and changes the settings of the shop; see package shop.
type Shop interface {
	Settings(ctx context.Context) (shop.Settings, error)
	Change(ctx context.Context, change func(*shop.Settings)) (after shop.Settings, err error)
}

// Statistics reports the figures of the shop; see package statistics.
type Statistics interface {
	Days(ctx context.Context, span statistics.Span) (statistics.Report, error)
	Channels(ctx context.Context, span statistics.Span) (statistics.Report, error)
}

// Webhooks tells other systems what happens; see package webhook.
type Webhooks interface {
	Add(ctx context.Context, e webhook.Endpoint) (added webhook.Endpoint, secret string, err error)
	Change(ctx context.Context, id string, c webhook.Change) (after webhook.Endpoint, secret string, err error)
	Remove(ctx context.Context, id string) error
	Endpoints(ctx context.Context) ([]webhook.Status, error)
	Endpoint(ctx context.Context, id string) (webhook.Status, error)
	Test(ctx context.Context, id string) (webhook.Attempt, error)
	Deliveries(ctx context.Context, id string, f webhook.Filter, after webhook.Mark, n int) ([]webhook.Delivery, error)
	Resend(ctx context.Context, id, eventID string) error
	ResendSpan(ctx context.Context, id string, span webhook.Span) (count int64, next time.Time, err error)
}

// Checks examines the deployment; see package doctor.
type Checks interface {
	// Findings returns what the last examination has found, and when it ended. It has a
	// new one made if that is long ago, and does not wait for it.
	Findings() ([]doctor.Finding, time.Time)
}
