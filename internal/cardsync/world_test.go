package cardsync_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/addcard/addcard/internal/cardsync"
	cardsyncsql "github.com/addcard/addcard/internal/cardsync/sqlstore"
	"github.com/addcard/addcard/internal/ledger"
	ledgersql "github.com/addcard/addcard/internal/ledger/sqlstore"
	"github.com/addcard/addcard/internal/member"
	membersql "github.com/addcard/addcard/internal/member/sqlstore"
	"github.com/addcard/addcard/internal/outbox"
	outboxsql "github.com/addcard/addcard/internal/outbox/sqlstore"
	"github.com/addcard/addcard/internal/sqldb"
)

// catalogue is what is known of cards: the name of a card is its plan, or says
// that it has to be learned or is another account's.
type catalogue struct {
	mu      sync.Mutex
	learned map[string]bool
	failing error // of Learn
}

func (c *catalogue) Plan(_ context.Context, cardID string) (member.Plan, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	kind, _, _ := strings.Cut(cardID, "-")
	switch {
	case kind == "late" && c.learned[cardID]:
		return member.PlanPush, nil
	case kind == "late" || kind == "foreign":
		return "", member.ErrCardUnknown
	}
	return member.Plan(kind), nil
}

func (c *catalogue) FetchPlan(ctx context.Context, cardID string) (member.Plan, error) {
	c.mu.Lock()
	err := c.failing
	if err == nil {
		if c.learned == nil {
			c.learned = map[string]bool{}
		}
		c.learned[cardID] = true
	}
	c.mu.Unlock()
	if err != nil {
		return "", err
	}
	return c.Plan(ctx, cardID)
}

// InitialGrant is in the name, too: "push-opens" and its like.
func (c *catalogue) InitialGrant(_ context.Context, cardID string) (member.InitialGrant, error) {
	if strings.Contains(cardID, "opens") {
		return opening, nil
	}
	return member.InitialGrant{}, nil
}

var opening = member.InitialGrant{Bonus: 100, Balance: 7, Record: "开卡送积分"}

func (c *catalogue) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failing = err
}

// wechat is WeChat: the outside, so a fake. It says where each code is, and
// refuses what WeChat would.
type wechat struct {
	mu        sync.Mutex
	status    map[string]string // by code: NORMAL is left out, "unknown" is no code, "not said" is empty
	activated map[string]int    // by code
	faces     map[string]*face  // by code
	holders   map[cardsync.Key]string
	busy      map[string]bool
	calls     []call
	overlaps  int // calls about a card while another was under way
	// before and after run around the effect of a call; an error ends it.
	before, after func(ctx context.Context, c call) error
}

type call struct {
	what, code string
	n          int // how often it was called, this time included
	at         time.Time
}

// face is what the holder of a card sees, and what it was told.
type face struct {
	bonus, balance int64
	fields         [3]string
	heard          []string
	totals         []int64 // the bonus after each update
}

func newWeChat() *wechat {
	return &wechat{status: map[string]string{}, activated: map[string]int{}, faces: map[string]*face{}, holders: map[cardsync.Key]string{}, busy: map[string]bool{}}
}

// Activate sets the figures, as an activation may do every time.
func (w *wechat) Activate(ctx context.Context, a cardsync.Activation) error {
	return w.serve(ctx, "activate", a.Code, func() error {
		if a.MembershipNumber != a.Code || w.status[a.Code] != "" && w.status[a.Code] != "not said" {
			return refusal{notDelivered: true}
		}
		w.activated[a.Code]++
		f := w.face(a.Code)
		f.bonus, f.balance = a.Grant.Bonus, a.Grant.Balance
		if a.Grant != (member.InitialGrant{}) {
			f.heard = append(f.heard, fmt.Sprintf("begins %s %d", a.Grant.Record, a.Grant.Bonus))
		}
		return nil
	})
}

func (w *wechat) Update(ctx context.Context, u cardsync.Update) error {
	return w.serve(ctx, "update", u.Code, func() error {
		if w.activated[u.Code] == 0 || w.status[u.Code] != "" && w.status[u.Code] != "not said" {
			return refusal{notDelivered: true}
		}
		f := w.face(u.Code)
		if u.Bonus != nil {
			f.bonus, f.balance = u.Bonus.Total, u.Balance.Total
			f.totals = append(f.totals, f.bonus)
			f.hear("bonus", *u.Bonus)
			f.hear("balance", *u.Balance)
		}
		for i, v := range u.Fields {
			if v == nil {
				continue
			}
			f.fields[i] = *v
			if u.NotifyFields[i] {
				f.heard = append(f.heard, fmt.Sprintf("field%d %s", i+1, *v))
			}
		}
		return nil
	})
}

func (f *face) hear(what string, c cardsync.Change) {
	if c.Notify && c.Add != 0 {
		f.heard = append(f.heard, fmt.Sprintf("%s %+d %d %s", what, c.Add, c.Total, c.Record))
	}
}

// face is called under w.mu.
func (w *wechat) face(code string) *face {
	if w.faces[code] == nil {
		w.faces[code] = &face{}
	}
	return w.faces[code]
}

// changed sets the points on a face behind our back.
func (w *wechat) changed(code string, bonus int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.face(code).bonus = bonus
}

func (w *wechat) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.calls)
}

// shown is what the holder of the card sees.
func (w *wechat) shown(code string) face {
	w.mu.Lock()
	defer w.mu.Unlock()
	return *w.face(code)
}

func (w *wechat) CardInfo(ctx context.Context, _, code string) (f member.CardInfo, err error) {
	return f, w.serve(ctx, "face", code, func() error {
		if w.status[code] == "GIFT_SUCC" || w.status[code] == "unknown" {
			return refusal{notDelivered: true}
		}
		switch f.Status = w.status[code]; f.Status {
		case "":
			f.Status = "NORMAL"
		case "not said":
			f.Status = ""
		}
		if w.activated[code] > 0 {
			f.Active, f.MembershipNumber = true, code
		}
		now := *w.face(code)
		f.Bonus, f.Balance = &now.bonus, &now.balance
		return nil
	})
}

// Holder and CardsOf go by who is said to have a code.
func (w *wechat) Holder(ctx context.Context, _, code string) (openID, outerStr string, err error) {
	return openID, "home", w.serve(ctx, "holder", code, func() error {
		if openID = w.holders[cardsync.Key{CardID: "push", Code: code}]; openID == "" {
			return refusal{notDelivered: true}
		}
		return nil
	})
}

func (w *wechat) CardsOf(ctx context.Context, openID string) (keys []cardsync.Key, err error) {
	return keys, w.serve(ctx, "held", openID, func() error {
		for key, who := range w.holders {
			if who == openID && w.status[key.Code] == "" {
				keys = append(keys, key)
			}
		}
		return nil
	})
}

func (w *wechat) serve(ctx context.Context, what, code string, effect func() error) error {
	c, before, after := w.begin(what, code)
	defer w.end(code)
	if before != nil {
		if err := before(ctx, c); err != nil {
			return err
		}
	}
	w.mu.Lock()
	err := effect()
	w.mu.Unlock()
	if err == nil && after != nil {
		err = after(ctx, c)
	}
	return err
}

func (w *wechat) begin(what, code string) (c call, before, after func(context.Context, call) error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.busy[code] {
		w.overlaps++
	}
	w.busy[code] = true
	c = call{what: what, code: code, n: 1, at: time.Now()}
	for _, earlier := range w.calls {
		if earlier.what == what && earlier.code == code {
			c.n++
		}
	}
	w.calls = append(w.calls, c)
	return c, w.before, w.after
}

func (w *wechat) end(code string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.busy[code] = false
}

// made is the calls about a code, in order.
func (w *wechat) made(code string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var names []string
	for _, c := range w.calls {
		if c.code == code {
			names = append(names, c.what)
		}
	}
	return strings.Join(names, " ")
}

func (w *wechat) set(code, status string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.status[code] = status
}

// services are the services of one replica.
type services struct {
	*memberService
	*ledgerService
	*outboxService
	*cardsyncService
	on stores
}

type (
	memberService   = member.Service
	ledgerService   = ledger.Service
	outboxService   = outbox.Service
	cardsyncService = cardsync.Service
)

// world is a replica on a real database in a bubble of virtual time, and what is
// around it.
type world struct {
	services
	*testing.T
	path    string
	db      *sqldb.DB
	store   cardsync.Store
	cards   *catalogue
	wechat  *wechat
	mu      sync.Mutex
	outcome map[string]int
	keys    int
}

// migrated is a database as it is after the migrations, which take longer than
// most tests here.
var migrated = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "addcard")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "addcard.db")
	db, err := sqldb.Open(context.Background(), "sqlite:"+path)
	if err != nil {
		return nil, err
	}
	if _, err := db.Migrate(context.Background()); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	if err := db.Close(); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})

func bubble(t *testing.T, test func(w *world)) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "addcard.db")
	empty, err := migrated()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, empty, 0o600); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, path: path, cards: &catalogue{}, wechat: newWeChat(), outcome: map[string]int{}}
		w.db = w.open()
		w.store = cardsyncsql.New(w.db)
		w.services = w.replica(w.stores())
		test(w)
	})
}

// open is one more handle on the database, as another process has it.
func (w *world) open() *sqldb.DB {
	w.Helper()
	db, err := sqldb.Open(w.Context(), "sqlite:"+w.path)
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() {
		if err := db.Close(); err != nil {
			w.Error(err)
		}
	})
	return db
}

// stores are the stores of a replica, which a test may wrap.
type stores struct {
	outbox  outbox.Store
	ledger  ledger.Store
	members member.Store
	sync    cardsync.Store
}

func (w *world) stores() stores { return storesOn(w.db) }

func storesOn(db *sqldb.DB) stores {
	return stores{outboxsql.New(db), ledgersql.New(db), membersql.New(db), cardsyncsql.New(db)}
}

func (w *world) replica(s stores) (r services) { return newServices(s, w.cards, w.wechat) }

func newServices(s stores, cards member.Catalogue, wechat cardsync.WeChat) (r services) {
	r.on = s
	r.outboxService = outbox.New(s.outbox, cardsync.RetryAs)
	r.ledgerService = ledger.New(s.ledger, r.Wake)
	r.memberService = member.New(s.members, member.Apps{MiniProgram: mini, Official: official}, cards, r.Wake)
	r.cardsyncService = cardsync.New(s.sync, r.memberService, cards, wechat)
	return r
}

// run runs a Sender of r, which calls wechat, until stop is called, which returns
// when Run has.
func (w *world) run(r services, wechat cardsync.WeChat) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	handlers := cardsync.New(r.on.sync, r.memberService, w.cards, wechat).Handlers()
	sender := r.NewSender(handlers, slog.New(slog.DiscardHandler), func(kind, outcome string) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.outcome[kind+" "+outcome]++
	})
	done := make(chan struct{})
	go func() { defer close(done); sender.Run(ctx) }()
	return func() { cancel(); <-done }
}

// reconciler is a Reconciler of r.
func (w *world) reconciler(r services, o cardsync.Observer) *cardsync.Reconciler {
	return r.NewReconciler(w.wechat, r.ledgerService, official, r.Wake, slog.New(slog.DiscardHandler), o)
}

func (w *world) outcomes(kindAndOutcome string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.outcome[kindAndOutcome]
}

// settle waits until nothing waits in the outbox and whoever sent it is idle.
func (w *world) settle() {
	w.Helper()
	for range 10_000 {
		b, err := w.Backlog(w.Context())
		if err != nil {
			w.Fatal(err)
		}
		if b.Waiting == 0 {
			synctest.Wait()
			return
		}
		time.Sleep(time.Second)
	}
	w.Fatalf("the outbox does not drain; WeChat was called: %v", w.wechat.calls)
}

// send runs a Sender until nothing waits.
func (w *world) send() {
	w.Helper()
	stop := w.run(w.services, w.wechat)
	defer stop()
	w.settle()
}

// claimed makes a card that its holder ming has claimed and that nothing was
// sent about yet, and returns its code.
func (w *world) claimed(cardID string) (memberID, code string) {
	w.Helper()
	return w.claimedBy("ming", cardID)
}

func (w *world) claimedBy(who, cardID string) (memberID, code string) {
	w.Helper()
	memberID = enroll(w, w.services, mini, who, "")
	code = codeOf(w, w.services, memberID, cardID)
	plan, err := w.cards.Plan(w.Context(), cardID)
	if err != nil {
		w.Fatal(err)
	}
	if _, err := w.Claim(w.Context(), memberID, []member.Claim{{CardID: cardID, Code: code, Plan: plan}}); err != nil {
		w.Fatal(err)
	}
	return memberID, code
}

func (w *world) card(cardID, code string) member.Card {
	w.Helper()
	c, err := w.store.Card(w.Context(), cardID, code)
	if err != nil {
		w.Fatal(err)
	}
	return c
}

// hear receives an event; what it leaves out is filled in.
func (w *world) hear(e member.Event) {
	w.Helper()
	if e.OpenID == "" {
		e.OpenID = "O1"
	}
	if e.DedupeKey == "" {
		e.DedupeKey = strings.Join([]string{e.Name, e.CardID, e.Code, e.At.String()}, " ")
	}
	if err := w.Receive(context.WithoutCancel(w.Context()), e); err != nil {
		w.Error(err)
	}
}

// conflicts lists the openids that conflicts were recorded about.
func (w *world) conflicts() (list []string) {
	w.Helper()
	rows, err := w.db.Read().Query(w.Context(), "select app_id, openid, member_id <> '' and member_id <> other_member_id from identity_conflict")
	if err != nil {
		w.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var app, openID string
		var two bool
		if err := rows.Scan(&app, &openID, &two); err != nil {
			w.Fatal(err)
		}
		if !two {
			w.Errorf("the conflict about %s does not say between whom", openID)
		}
		list = append(list, openID)
	}
	if err := rows.Err(); err != nil {
		w.Fatal(err)
	}
	slices.Sort(list)
	return list
}

const (
	mini     = "wxmini"
	official = "wxofficial"
)

// refusal is an error of WeChat that says what it means.
type refusal struct {
	temporary, permanent, notDelivered bool
	quota                              time.Duration
}

func (r refusal) Error() string                     { return "refused" }
func (r refusal) Temporary() bool                   { return r.temporary }
func (r refusal) Permanent() bool                   { return r.permanent }
func (r refusal) NotDelivered() bool                { return r.notDelivered }
func (r refusal) RetryAfter() (time.Duration, bool) { return r.quota, r.quota > 0 }

func enroll(t testing.TB, s services, appID, openID, unionID string) string {
	t.Helper()
	id, err := s.Enroll(t.Context(), appID, openID, unionID)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func codeOf(t testing.TB, s services, memberID, cardID string) string {
	t.Helper()
	codes, err := s.Codes(t.Context(), memberID, []member.CodeRequest{{CardID: cardID}})
	if err != nil {
		t.Fatal(err)
	}
	return codes[0].Code
}
