package sqlstore_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/card"
	cardsql "github.com/addcard/addcard/internal/card/sqlstore"
	"github.com/addcard/addcard/internal/ledger"
	ledgersql "github.com/addcard/addcard/internal/ledger/sqlstore"
	"github.com/addcard/addcard/internal/member"
	membersql "github.com/addcard/addcard/internal/member/sqlstore"
	"github.com/addcard/addcard/internal/outbox"
	outboxsql "github.com/addcard/addcard/internal/outbox/sqlstore"
	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/sqldb/sqldbtest"
	"github.com/addcard/addcard/internal/webhook"
	"github.com/addcard/addcard/internal/webhook/sqlstore"
)

const (
	mini     = "wxmini"
	official = "wxofficial"
)

// catalogue has every card; addcard activates them.
type catalogue struct{}

func (catalogue) Plan(context.Context, string) (member.Plan, error)      { return member.PlanPush, nil }
func (catalogue) FetchPlan(context.Context, string) (member.Plan, error) { return member.PlanPush, nil }
func (catalogue) InitialGrant(context.Context, string) (member.InitialGrant, error) {
	return member.InitialGrant{}, nil
}

// shop has the stores that cause events, and an endpoint that gets all of them.
type shop struct {
	t       *testing.T
	db      *sqldb.DB
	members *member.Service
	ledger  *ledger.Service
	cards   *cardsql.Store
	store   *sqlstore.Store
	told    int64 // the seq of the last event that want has seen
	names   map[string]string
	keys    int
}

func newShop(t *testing.T, db *sqldb.DB) *shop {
	s := &shop{
		t: t, db: db, ledger: ledger.New(ledgersql.New(db), func() {}), cards: cardsql.New(db), store: sqlstore.New(db),
		names: map[string]string{},
	}
	s.members = member.New(membersql.New(db), member.Apps{MiniProgram: mini, Official: official}, catalogue{}, func() {})
	s.must(s.store.Add(t.Context(), &webhook.Endpoint{ID: "w", Events: []string{webhook.All}, Enabled: true}))
	return s
}

func (s *shop) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// receive delivers an event of WeChat that happened second seconds after another.
func (s *shop) receive(name, code, openID string, second int64, edit ...func(*member.Event)) {
	s.t.Helper()
	s.keys++
	e := member.Event{
		DedupeKey: fmt.Sprint("key", s.keys), Name: name, CardID: "c1", Code: code, OpenID: openID, At: time.Unix(1e9+second, 0),
	}
	for _, f := range edit {
		f(&e)
	}
	s.must(s.members.Receive(s.t.Context(), e))
}

// change changes a card as its service does.
func (s *shop) change(code string, edit func(*member.Card)) {
	s.t.Helper()
	s.must(membersql.New(s.db).Write(s.t.Context(), func(ctx context.Context, tx member.Tx) error {
		c, err := tx.Card(ctx, "c1", code)
		if err != nil {
			return err
		}
		edit(&c)
		return member.Save(ctx, tx, c)
	}))
}

func (s *shop) book(code string, b ledger.Booking) {
	s.t.Helper()
	_, _, err := s.ledger.AddEntry(s.t.Context(), "c1", code, b, ledger.Request{
		Route: "POST", Actor: "Zoe", Key: fmt.Sprint("key", code, s.keys),
		Answer: func(e ledger.Entry) ([]byte, error) { return json.Marshal(e) },
	})
	s.keys++
	s.must(err)
}

// want checks what was told since the last call, in order: "type member card code", with
// the names that members got, and what else the data must contain.
func (s *shop) want(events ...string) {
	s.t.Helper()
	list, err := s.store.Deliveries(s.t.Context(), "w", webhook.Filter{}, webhook.Mark{}, 1000)
	s.must(err)
	slices.SortFunc(list, func(a, b webhook.Delivery) int { return int(a.Seq - b.Seq) })
	list = slices.DeleteFunc(list, func(d webhook.Delivery) bool { return d.Seq <= s.told })
	for i, d := range list {
		s.told = d.Seq
		if s.names[d.MemberID] == "" && d.MemberID != "" {
			s.names[d.MemberID] = fmt.Sprint("m", len(s.names)+1)
		}
		wantQueue := d.MemberID
		if wantQueue == "" {
			wantQueue = "card " + d.CardID
		}
		if !json.Valid([]byte(d.Data)) || d.Queue != wantQueue || time.Since(d.HappenedAt).Abs() > time.Minute {
			s.t.Errorf("stored is %+v", d)
		}
		got := strings.Join(strings.Fields(fmt.Sprint(d.Type, " ", s.names[d.MemberID], " ", d.CardID, " ", d.Code)), " ")
		if i >= len(events) {
			s.t.Errorf("also told: %s %s", got, d.Data)
			continue
		}
		want, data, _ := strings.Cut(events[i], " {")
		compact := strings.ReplaceAll(strings.ReplaceAll(d.Data, `" : `, `":`), `, "`, `,"`)
		if got != want || !strings.Contains(compact, strings.TrimSuffix(data, "}")) {
			s.t.Errorf("told %s %s, want %s", got, compact, events[i])
		}
	}
	if len(list) < len(events) {
		s.t.Errorf("not told: %q", events[len(list):])
	}
}

func TestTriggers_TellWhatHappens(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]func(s *shop){
		"the life of a card":     lifeOfCard,
		"what is known late":     knownLate,
		"a gift":                 gift,
		"an entry":               entry,
		"only entries":           onlyEntries,
		"a form":                 form,
		"a push that is parked":  parkedPush,
		"reviews":                reviews,
		"the stock":              stock,
		"an erasure":             erasure,
		"members who are joined": joined,
		"a member of a moment":   momentary,
		"an imported account":    imported,
	} {
		sqldbtest.Engines(t, func(t *testing.T, open func(t *testing.T) *sqldb.DB) {
			t.Run(name, func(t *testing.T) { t.Parallel(); test(newShop(t, open(t))) })
		})
	}
}

func lifeOfCard(s *shop) {
	memberID, err := s.members.Enroll(s.t.Context(), mini, "openid-1", "union-1")
	s.must(err)
	_, err = s.members.Enroll(s.t.Context(), mini, "openid-1", "union-1")
	s.must(err)
	s.want("member.created m1 {}}")
	codes, err := s.members.Codes(s.t.Context(), memberID, []member.CodeRequest{{CardID: "c1", OuterStr: "poster"}})
	s.must(err)
	code := codes[0].Code
	s.want() // an issued code is in no wallet
	s.receive("user_get_card", code, "open-1", 1, func(e *member.Event) { e.OuterStr, e.UnionID = "till", "union-1" })
	s.want("card.claimed m1 c1 " + code + ` {"status":"claimed","outer_str":"till","given_from":""}`)
	s.receive("user_get_card", code, "open-1", 1)
	s.want()
	s.change(code, func(c *member.Card) { c.MarkActive("number", time.Now()) })
	s.want("card.activated m1 c1 " + code + ` {"status":"active"`)
	s.change(code, func(c *member.Card) { c.MembershipNumber = "another" })
	s.want()
	s.receive("user_del_card", code, "open-1", 5)
	s.want("card.deleted m1 c1 " + code + ` {"status":"deleted"`)
	s.receive("user_get_card", code, "open-1", 6, func(e *member.Event) { e.Restored = true })
	s.want("card.restored m1 c1 " + code + ` {"status":"active"`)
	s.must(s.members.End(s.t.Context(), "c1", code))
	s.must(s.members.End(s.t.Context(), "c1", code))
	s.want("card.unavailable m1 c1 " + code + ` {"status":"unavailable"`)
}

func onlyEntries(s *shop) {
	subscribe := func(events ...string) {
		_, err := s.store.Change(s.t.Context(), "w", 0, func(e *webhook.Endpoint) error { e.Events = events; return nil })
		s.must(err)
	}
	subscribe("entry.created")
	s.receive("user_get_card", "1", "open-1", 1)
	s.change("1", func(c *member.Card) { c.MarkActive("number", time.Now()) })
	s.book("1", ledger.Booking{AddBonus: 1})
	s.want(`entry.created m1 c1 1 {"add_bonus":1`)
	subscribe("card.deleted")
	s.book("1", ledger.Booking{AddBonus: 2})
	s.receive("user_del_card", "1", "open-1", 5)
	s.want("card.deleted m1 c1 1")
}

func knownLate(s *shop) {
	s.receive("user_del_card", "1", "open-1", 5)
	s.want("member.created m1", `card.deleted m1 c1 1 {"status":"deleted"`)
	s.receive("user_get_card", "1", "open-1", 1)
	s.want()
	s.receive("user_get_card", "1", "open-1", 9)
	s.want(`card.restored m1 c1 1 {"status":"claimed"`)
}

func gift(s *shop) {
	s.receive("user_get_card", "1", "open-1", 1)
	s.book("1", ledger.Booking{AddBonus: 5})
	s.want("member.created m1", "card.claimed m1 c1 1", "entry.created m1 c1 1")
	s.receive("user_get_card", "2", "open-2", 9, func(e *member.Event) { e.OldCode, e.FriendOpenID = "1", "open-1" })
	s.want("member.created m2", `card.claimed m2 c1 2 {"status":"claimed","outer_str":"","given_from":"1"}`, `card.gifted m1 c1 1 {"status":"gifted"`)
	s.book("2", ledger.Booking{AddBonus: 7})
	s.want(`entry.created m2 c1 2 {"add_bonus":7,"bonus":12,`)
}

func entry(s *shop) {
	s.receive("user_get_card", "1", "open-1", 1)
	s.book("1", ledger.Booking{
		AddBonus: 50, AddBalance: 1_000_000_000, RecordBonus: `"咖啡" </script> 😀`, RecordBalance: "充值", Store: "east", Order: "o-1",
	})
	s.want("member.created m1", "card.claimed m1 c1 1", `entry.created m1 c1 1 {"seq":1,"add_bonus":50,"bonus":50,`+
		`"add_balance":1000000000,"balance":1000000000,"record_bonus":"\"咖啡\" </script> 😀","record_balance":"充值","reverses":"",`+
		`"actor":"Zoe","store":"east","order":"o-1"}`)
}

func form(s *shop) {
	s.receive("submit_membercard_user_info", "1", "open-1", 1)
	s.want("member.created m1", "card.claimed m1 c1 1", "form.submitted m1 c1 1")
	s.receive("user_get_card", "2", "open-1", 1)
	s.want("card.claimed m1 c1 2")
	s.receive("submit_membercard_user_info", "2", "open-1", 2)
	s.want("form.submitted m1 c1 2")
	s.receive("submit_membercard_user_info", "2", "open-1", 3)
	s.want()
}

func parkedPush(s *shop) {
	s.receive("user_get_card", "1", "open-1", 1)
	s.want("member.created m1", "card.claimed m1 c1 1")
	store := outboxsql.New(s.db)
	list, err := store.Lease(s.t.Context(), "a", time.Minute, 9)
	s.must(err)
	s.must(store.Write(s.t.Context(), func(ctx context.Context, tx outbox.Tx) error {
		_, err := tx.Park(ctx, list[0], `wechat: "40056"`)
		return err
	}))
	s.want("push.parked m1 c1 1 {" + `"message_id":"` + list[0].ID + `","kind":"activate","last_error":"wechat: \"40056\""}`)
}

func reviews(s *shop) {
	at := time.Unix(1e9, 0)
	review := func(reason string, at time.Time) {
		s.t.Helper()
		_, err := s.cards.SaveReview(s.t.Context(), "c1", reason, at)
		s.must(err)
	}
	review("", at)
	review("", at) // WeChat repeats its events
	s.want(`card.reviewed c1 {"status":"CARD_STATUS_VERIFY_OK","refuse_reason":""}`)
	review("logo", at.Add(time.Hour))
	s.want(`card.reviewed c1 {"status":"CARD_STATUS_VERIFY_FAIL","refuse_reason":"logo"}`)
	review("late", at.Add(time.Minute))
	s.must(s.cards.Save(s.t.Context(), card.Card{ID: "c1", Status: card.Verified, Quantity: 500}))
	s.want()
}

func stock(s *shop) {
	for _, step := range []struct {
		quantity int64
		want     []string
	}{
		{50, nil}, {500, nil}, {100, nil}, {99, []string{`stock.low c1 {"quantity":99}`}}, {98, nil}, {0, nil}, {300, nil}, {-1, nil}, {5, nil},
		{300, nil}, {0, []string{`stock.low c1 {"quantity":0}`}},
	} {
		s.must(s.cards.Save(s.t.Context(), card.Card{ID: "c1", Quantity: step.quantity}))
		s.want(step.want...)
	}
}

func erasure(s *shop) {
	for i, openID := range []string{"open-1", "open-2"} {
		s.receive("user_get_card", fmt.Sprint(i+1), openID, 1)
		s.book(fmt.Sprint(i+1), ledger.Booking{AddBonus: 5})
	}
	s.receive("user_get_card", "3", "open-1", 1)
	s.must(s.members.End(s.t.Context(), "c1", "3"))
	list, err := s.store.Lease(s.t.Context(), "w", "a", time.Minute, 9)
	s.must(err)
	people, err := s.members.Find(s.t.Context(), "1", 1)
	s.must(err)
	s.want("member.created m1", "card.claimed m1 c1 1", "entry.created m1 c1 1", "member.created m2", "card.claimed m2 c1 2",
		"entry.created m2 c1 2", "card.claimed m1 c1 3", "card.unavailable m1 c1 3")
	for _, d := range list { // that the person is a member was delivered
		if d.MemberID == people[0].ID {
			_, err := s.store.Done(s.t.Context(), d, time.Minute)
			s.must(err)
		}
	}
	s.must(s.members.Erase(s.t.Context(), people[0].ID))
	s.want(`card.unavailable c1 1 {"status":"unavailable"`, `card.unavailable c1 3 {"status":"unavailable"`)
	left, err := s.store.Deliveries(s.t.Context(), "w", webhook.Filter{}, webhook.Mark{}, 1000)
	s.must(err)
	for _, d := range left {
		if d.MemberID == people[0].ID || d.Queue == people[0].ID || d.MemberID == "" && d.Type != "card.unavailable" {
			s.t.Errorf("left: %+v", d)
		}
	}
	if len(left) != 5 {
		s.t.Errorf("left: %+v", left)
	}
	for _, d := range list {
		if err := s.store.Release(s.t.Context(), d); (err != nil) != (d.MemberID == people[0].ID) {
			s.t.Errorf("what was being sent of %s: %v", s.names[d.MemberID], err)
		}
	}
}

// What waits about a card goes before what comes, also when its member becomes another.
func joined(s *shop) {
	s.receive("user_get_card", "1", "open-1", 1)
	_, err := s.members.Enroll(s.t.Context(), mini, "openid-1", "union-1")
	s.must(err)
	s.want("member.created m1", "card.claimed m1 c1 1", "member.created m2")
	s.receive("user_view_card", "1", "open-1", 2)
	s.receive("user_get_card", "1", "open-1", 3, func(e *member.Event) { e.UnionID = "union-1" })
	s.book("1", ledger.Booking{AddBonus: 5})
	list, err := s.store.Deliveries(s.t.Context(), "w", webhook.Filter{}, webhook.Mark{}, 9)
	s.must(err)
	if got := list[0]; got.Type != "entry.created" || s.names[got.MemberID] != "m2" {
		s.t.Fatalf("got %+v", got)
	}
	queue := list[0].Queue
	for _, d := range list {
		if d.Code != "" && d.Queue != queue {
			s.t.Errorf("%s waits in the queue of %s", d.Type, s.names[d.Queue])
		}
	}
	leased, err := s.store.Lease(s.t.Context(), "w", "a", time.Minute, 9)
	s.must(err)
	for _, d := range leased {
		if d.Queue != queue {
			continue
		}
		var got []string
		for err == nil {
			got = append(got, d.Type)
			d, err = s.store.Done(s.t.Context(), d, time.Minute)
		}
		if !slices.Equal(got, []string{"card.claimed", "member.created", "entry.created"}) {
			s.t.Errorf("sent %q", got)
		}
	}
}

// A claim that WeChat proves makes a member of the card's holder and joins it with the
// one who claims, all at once: nothing is told of the first.
func momentary(s *shop) {
	memberID, err := s.members.Enroll(s.t.Context(), mini, "openid-1", "")
	s.must(err)
	_, err = s.members.Claim(s.t.Context(), memberID, []member.Claim{{CardID: "c1", Code: "1", ProvedOpenID: "open-1"}})
	s.must(err)
	s.want("member.created m1", "card.claimed m1 c1 1")
}

// Nothing is told about an account that waits. What it had is told when it joins a card.
func imported(s *shop) {
	s.must(membersql.New(s.db).Write(s.t.Context(), func(ctx context.Context, tx member.Tx) error {
		_, err := tx.LockPeople(ctx, true)
		if err == nil {
			_, err = s.members.Import(ctx, tx, member.Imported{CardID: "c1", Code: "1", Bonus: 40, Balance: 5}, nil)
		}
		return err
	}))
	s.want()
	s.receive("user_get_card", "1", "open-1", 1)
	s.want("member.created m1", `card.claimed m1 c1 1 {"status":"claimed"`,
		`entry.created m1 c1 1 {"seq":1,"add_bonus":40,"bonus":40,"add_balance":5,"balance":5,"record_bonus":"原有积分"`)
}
