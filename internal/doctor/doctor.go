// Package doctor checks whether a deployment is set up correctly. Each finding
// names what to correct it with: a command, a variable, or a page of WeChat's
// console.
//
// It repairs nothing and changes nothing at WeChat, and no finding contains a
// secret.
package doctor

import (
	"cmp"
	"context"
	"time"

	"github.com/addcard/addcard/internal/card"
	"github.com/addcard/addcard/internal/config"
	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/outbox"
	"github.com/addcard/addcard/internal/wechat"
)

// The outcomes of a check.
const (
	OK      = "ok"
	Warning = "warning" // the deployment works, but not for everything
	Failed  = "failed"
	Skipped = "skipped" // could not be checked
)

// Finding is the result of one check, and what mends it.
type Finding struct {
	Name    string `json:"name"`
	Outcome string `json:"outcome"`
	Found   Text   `json:"found"`
	Fix     Text   `json:"fix,omitzero"`
}

// Deployment is an opened deployment.
type Deployment struct {
	Database Database
	Tickets  Tickets
	Official Official
	Clock    interface {
		Now() time.Time
		Offset() time.Duration // 0 while this machine's clock is within a minute of WeChat's
	}
	MiniProgram interface {
		Code2Session(ctx context.Context, code string) (openID, unionID string, err error)
		StableToken(ctx context.Context) (value string, ttl time.Duration, err error)
	}
	Catalogue interface {
		List(ctx context.Context) ([]card.Card, error)
	}
	Members interface {
		// People lists the newest members first.
		People(ctx context.Context, after member.Mark, n int) ([]member.Person, error)
		// SharedUnionIDs lists the unionids that WeChat gave for two people.
		SharedUnionIDs(ctx context.Context, n int) ([]string, error)
	}
	Outbox interface {
		Backlog(ctx context.Context) (outbox.Backlog, error)
	}
	Recovery interface {
		// Active reports whether the database was restored from a copy, and the recovery
		// has not ended.
		Active() bool
	}
	Sealed interface {
		// Unopened counts the encrypted texts that no key of DATA_KEYS opens, and names
		// the keys that encrypted them. It reads all of them.
		Unopened(ctx context.Context) (n int, keys []string, err error)
	}
	// Close releases the deployment; it is called when the checks are done.
	Close func() error
}

// Database is the opened database.
type Database interface {
	// Ready returns an error if the database cannot be read and written.
	Ready(ctx context.Context) error
	// Damage lists what is damaged in the database's file.
	Damage(ctx context.Context) ([]string, error)
	// Servers returns how many servers have the database, and whether a commit waits
	// until a second one has it.
	Servers(ctx context.Context) (n int, synchronous bool, err error)
}

// Tickets are the credentials that the replicas share.
type Tickets interface {
	// Reachable returns an error when the shared copies cannot be read.
	Reachable(ctx context.Context) error
	// Eviction returns the maxmemory-policy of Redis, or "".
	Eviction(ctx context.Context) string
	// Ticket returns the api_ticket. It may wait for one fetch.
	Ticket(ctx context.Context) (string, error)
}

// Official is the Official Account at WeChat. All calls but StableToken use the
// shared access_token.
type Official interface {
	StableToken(ctx context.Context) (value string, ttl time.Duration, err error)
	CardIDs(ctx context.Context, offset int) (ids []string, total int, err error)
	// Card returns card.ErrNotFound for a card that the account does not have.
	Card(ctx context.Context, cardID string) (card.Card, error)
	Quota(ctx context.Context, path string) (wechat.Quota, error)
}

// doctor is one examination of a deployment.
type doctor struct {
	*Deployment // nil until it is opened
	cfg         config.Config
	publicURL   string
	report      func(Finding)
	atWeChat    int // the number of the account's cards; 0 if it is not known
}

// Diagnose checks everything that a deployment needs, and calls report after each
// check. open opens the deployment that cfg describes;
// the server brings the tables up to date there, and so does the doctor.
// publicURL is where WeChat reaches the public listener, for example
// https://api.shop.example; when it is empty, PUBLIC_URL is used, and without that the
// callback is not checked.
// Diagnose calls WeChat about a dozen times, and none of these calls is scarce.
func Diagnose(
	ctx context.Context, cfg config.Config, publicURL string,
	open func(context.Context) (*Deployment, error), report func(Finding),
) {
	d := &doctor{cfg: cfg, publicURL: cmp.Or(publicURL, cfg.PublicURL), report: report}
	d.check(ctx, "configuration", d.configuration)
	opened := d.check(ctx, "database", func(ctx context.Context) Finding { return d.open(ctx, open) })
	if d.Deployment != nil {
		defer func() { _ = d.Close() }()
	}
	if opened {
		d.checkServices(ctx)
	}
}

// checkServices runs the checks that need an open database.
func (d *doctor) checkServices(ctx context.Context) {
	storeReachable := d.check(ctx, "ticket store", d.ticketStore)
	secretWorks := d.check(ctx, "service account's AppSecret and IP whitelist", d.officialSecret)
	if secretWorks {
		d.check(ctx, "clock", d.clock)
	}
	if secretWorks && storeReachable { // these need the shared access_token
		d.check(ctx, "card permission", d.permission)
		d.check(ctx, "cards", d.cards)
		d.check(ctx, "api_ticket", d.ticket)
		d.check(ctx, "quota", d.quota)
	}
	if d.check(ctx, "mini-program's AppSecret", d.miniProgramSecret) {
		d.check(ctx, "mini-program's access_token", d.miniProgramToken)
	}
	d.check(ctx, "callback", d.callback)
	d.check(ctx, "web pages", d.pages)
	d.check(ctx, "unionid", d.unionID)
	d.check(ctx, "outbox", d.outbox)
	d.check(ctx, "encrypted data", d.sealed)
	d.check(ctx, "exposure", d.exposure)
	d.check(ctx, "recovery", d.recovery)
}

// checkCheaply runs the checks that neither call WeChat nor read much.
func (d *doctor) checkCheaply(ctx context.Context) {
	d.check(ctx, "configuration", d.configuration)
	d.check(ctx, "database", d.database)
	d.check(ctx, "ticket store", d.ticketStore)
	d.check(ctx, "clock", d.clock)
	d.check(ctx, "api_ticket", d.ticket)
	d.check(ctx, "cards", d.catalogue)
	d.check(ctx, "unionid", d.unionID)
	d.check(ctx, "outbox", d.outbox)
	d.check(ctx, "exposure", d.exposure)
	d.check(ctx, "recovery", d.recovery)
}

// check runs one check and reports whether it did not fail.
func (d *doctor) check(ctx context.Context, name string, run func(context.Context) Finding) bool {
	f := run(ctx)
	f.Name = name
	d.report(f)
	return f.Outcome != Failed
}

func ok(english, chinese string, values ...any) Finding {
	return Finding{Outcome: OK, Found: say(english, chinese, values...)}
}

func warning(fix, found Text) Finding { return Finding{Outcome: Warning, Found: found, Fix: fix} }
func failed(fix, found Text) Finding  { return Finding{Outcome: Failed, Found: found, Fix: fix} }
func skipped(fix, found Text) Finding { return Finding{Outcome: Skipped, Found: found, Fix: fix} }
