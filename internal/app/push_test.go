package app_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/sqldb/sqldbtest"
	"github.com/addcard/addcard/internal/wechatsim"
)

// face waits until the user's only card shows these figures.
func (w *world) face(user string, bonus, balance int64) wechatsim.CardFace {
	w.t.Helper()
	var faces []wechatsim.CardFace
	eventually(w.t, fmt.Sprintf("%s sees %d points and %d fen", user, bonus, balance), func() bool {
		var err error
		if faces, err = w.sim.Cards(user); err != nil {
			w.t.Fatal(err)
		}
		return len(faces) == 1 && faces[0].HasActive && faces[0].Bonus == bonus && faces[0].Balance == balance
	})
	return faces[0]
}

func messages(f wechatsim.CardFace) string {
	var list []string
	for _, m := range f.Messages {
		if m.Kind != "activated" {
			list = append(list, fmt.Sprintf("%s %+d %d %s", m.Kind, m.Add, m.Total, m.Text))
		}
	}
	return strings.Join(list, "; ")
}

type queued struct {
	ID, Kind, State, Code string
	Attempts              int
	LastError             string `json:"last_error"`
}

func (s *server) outbox(t *testing.T, query string) (list []queued) {
	t.Helper()
	var page struct{ Messages []queued }
	got := s.operator("GET", "/v1/outbox"+query, "")
	if got.status != 200 {
		t.Fatalf("outbox: %d %s", got.status, got.body)
	}
	got.json(t, &page)
	return page.Messages
}

// withBalance makes the card hold money as well.
func withBalance(_, card map[string]any) { card["supply_balance"] = true }

func TestPush_the_holder_sees_and_hears_of_it(t *testing.T) {
	t.Parallel()
	w := newWorld(t, wechatsim.Options{})
	cardID := w.card(withBalance)
	s := w.serve()
	_, code := w.held(s, "ming", cardID)
	path := entriesPath(cardID, code)
	s.book(path, "k1", `{"add_bonus":30,"add_balance":5000,"record_bonus":"消费<30>元 & 🎂","record_balance":"充值"}`).booked(t)
	s.book(path, "k2", `{"add_bonus":-30,"notify_bonus":false}`).booked(t)
	s.book(path, "k3", `{"add_balance":-4990,"record_balance":"购买一杯"}`).booked(t)
	f := w.face("ming", 0, 10)
	if got, want := messages(f), "bonus +30 30 消费<30>元 & 🎂; balance +5000 5000 充值; balance -4990 10 购买一杯"; got != want {
		t.Errorf("messages:\n got %s\nwant %s", got, want)
	}
	got := s.operator("PUT", "/v1/cards/"+cardID+"/codes/"+code+"/fields", `{"custom_field1":"黄金","custom_field3":"7","notify":true}`)
	if got.status != 200 || string(got.body) != `{"custom_field1":"黄金","custom_field3":"7"}` {
		t.Errorf("fields: %d %s", got.status, got.body)
	}
	eventually(t, "the fields are on the face", func() bool {
		faces, _ := w.sim.Cards("ming")
		return faces[0].CustomFields["custom_field1"] == "黄金" && faces[0].CustomFields["custom_field3"] == "7"
	})
}

// WeChat answers, or does not, as it likes: the holder hears of each entry once.
func TestPush_survives_what_WeChat_does(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]wechatsim.Fault{
		"too often":                 {ErrCode: 45061, Times: 2},
		"busy":                      {ErrCode: -1, Times: 2},
		"busy, with the effect":     {ErrCode: -1, When: "after"},
		"dropped, with the effect":  {Drop: true, When: "after"},
		"dropped before":            {Drop: true},
		"a gateway's page":          {HTTPStatus: 502, When: "after"},
		"half an answer":            {Truncate: 9},
		"relabelled":                {ContentType: "text/plain"},
		"an answer that is not all": {Body: new("")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, wechatsim.Options{})
			cardID := w.card()
			s := w.serve()
			_, code := w.held(s, "ming", cardID)
			w.face("ming", 0, 0)
			fault.Path = "/card/membercard/updateuser"
			if err := w.sim.AddFault(fault); err != nil {
				t.Fatal(err)
			}
			s.book(entriesPath(cardID, code), "k1", `{"add_bonus":30}`).booked(t)
			s.book(entriesPath(cardID, code), "k2", `{"add_bonus":12}`).booked(t)
			if got, want := messages(w.face("ming", 42, 0)), "bonus +30 30 ; bonus +12 42 "; got != want {
				t.Errorf("messages: %s, want %s", got, want)
			}
		})
	}
}

// What WeChat refuses for good waits for the operator.
func TestOutbox_parked_shown_and_retried(t *testing.T) {
	t.Parallel()
	w := newWorld(t, wechatsim.Options{})
	cardID := w.card()
	s := w.serve()
	_, code := w.held(s, "ming", cardID)
	w.face("ming", 0, 0)
	if err := w.sim.AddFault(wechatsim.Fault{Path: "/card/membercard/updateuser", ErrCode: 45021}); err != nil {
		t.Fatal(err)
	}
	e := s.book(entriesPath(cardID, code), "k1", `{"add_bonus":30}`).booked(t)
	s.book(entriesPath(cardID, code), "k2", `{"add_bonus":12}`).booked(t)
	w.face("ming", 42, 0)
	dead := s.outbox(t, "?state=dead")
	if len(dead) != 1 || dead[0].ID != e.ID || dead[0].Kind != "entry" || dead[0].Attempts != 1 || dead[0].Code != code || !strings.Contains(dead[0].LastError, "45021") {
		t.Fatalf("parked: %+v", dead)
	}
	eventually(t, "nothing waits", func() bool { return len(s.outbox(t, "?state=waiting")) == 0 })
	if got := s.operator("POST", "/v1/outbox/"+e.ID+"/retry", ""); got.status != http.StatusAccepted {
		t.Errorf("retry: %d %s", got.status, got.body)
	}
	eventually(t, "it is sent", func() bool { return len(s.outbox(t, "")) == 0 })
	if got, want := messages(w.face("ming", 42, 0)), "bonus +12 42 ; bonus +30 42 "; got != want {
		t.Errorf("messages: %s, want %s", got, want)
	}
	s.operator("POST", "/v1/outbox/"+e.ID+"/retry", "").problem(t, 404, "message_not_found")
	for query, field := range map[string]string{"state=sent": "query.state", "limit=0": "query.limit", "cursor=eA": "query.cursor"} {
		if p := s.operator("GET", "/v1/outbox?"+query, "").problem(t, 422, "invalid_input"); len(p.Errors) != 1 || p.Errors[0].Location != field {
			t.Errorf("%s: %+v", query, p.Errors)
		}
	}
	metrics := s.operator("GET", "/metrics", "")
	for _, line := range []string{`addcard_outbox_sent_total{kind="entry",outcome="dead"} 1`, `addcard_outbox_sent_total{kind="entry_again",outcome="done"} 1`} {
		if !strings.Contains(string(metrics.body), line) {
			t.Errorf("/metrics lacks %s", line)
		}
	}
}

// What a card begins with is booked once, sent with the activation, and not
// given again to one that is deleted and restored.
func TestOpening_bonus_comes_with_the_activation(t *testing.T) {
	t.Parallel()
	w := newWorld(t, wechatsim.Options{})
	cardID := w.card(withBalance)
	s := w.serve()
	w.connect(s)
	got := s.operator("PUT", "/v1/cards/"+cardID+"/settings", `{"init_bonus":100,"init_balance":7,"init_bonus_record":"开卡送积分"}`)
	if got.status != 200 {
		t.Fatalf("settings: %d %s", got.status, got.body)
	}
	token, code := w.held(s, "ming", cardID)
	f := w.face("ming", 100, 7)
	if len(f.Messages) != 1 || f.Messages[0].Kind != "activated" || f.Messages[0].Text != "开卡送积分" {
		t.Errorf("messages: %+v", f.Messages)
	}
	ledger := func() (list []entry) {
		t.Helper()
		var page struct{ Entries []entry }
		s.operator("GET", entriesPath(cardID, code), "").json(t, &page)
		return page.Entries
	}
	// WeChat shows the card active a moment before we know that it is.
	eventually(t, "the card is active", func() bool { return s.cards(token)[0].Status == "active" })
	if list := ledger(); len(list) != 1 || list[0].Seq != 1 || list[0].AddBonus != 100 || list[0].Balance != 7 || list[0].RecordBonus != "开卡送积分" {
		t.Errorf("the ledger: %+v", list)
	}
	w.phone("ming", "delete-card", `{"card_id":"`+cardID+`","code":"`+code+`"}`)
	eventually(t, "the deletion is known", func() bool { return s.cards(token)[0].Status == "deleted" })
	s.book(entriesPath(cardID, code), "k1", `{"add_bonus":5}`).booked(t)
	w.take(s, token, "ming", cardID)
	eventually(t, "the restored card is active", func() bool { return s.cards(token)[0].Status == "active" })
	if got, want := messages(w.face("ming", 105, 7)), "bonus +5 105 "; got != want {
		t.Errorf("messages: %s, want %s", got, want)
	}
	if list := ledger(); len(list) != 2 {
		t.Errorf("the ledger: %+v", list)
	}
}

// Two replicas, one of which is stopped and started all the time, while many
// book on a few cards at once and WeChat fails every fifth call, often after it
// did what it was asked: every face ends as its ledger, and its holder has heard
// of each entry once, in order, with the total after it.
func TestPush_two_replicas_under_faults(t *testing.T) {
	t.Parallel()
	for engine, prepare := range map[string]func(t *testing.T, w *world){
		"sqlite":   func(*testing.T, *world) {},
		"postgres": func(t *testing.T, w *world) { t.Helper(); w.env["DATABASE_URL"] = sqldbtest.Postgres(t) },
	} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, wechatsim.Options{Seed: 7})
			w.quiet = true
			prepare(t, w)
			w.pushUnderFaults(t)
		})
	}
}

func (w *world) pushUnderFaults(t *testing.T) {
	cardID := w.card(withBalance)
	steady, shaky := w.serve(), w.serve()
	const cards, callers, each = 4, 4, 6
	codes := make([]string, cards)
	for i := range codes {
		_, codes[i] = w.held(steady, fmt.Sprint("user", i), cardID)
		w.face(fmt.Sprint("user", i), 0, 0)
	}
	for _, f := range []wechatsim.Fault{
		{ErrCode: 45061, Rate: 0.05}, {ErrCode: -1, Rate: 0.05}, {Drop: true, When: "after", Rate: 0.07}, {HTTPStatus: 502, When: "after", Rate: 0.05},
	} {
		f.Path, f.Times = "/card/membercard/updateuser", -1
		if err := w.sim.AddFault(f); err != nil {
			t.Fatal(err)
		}
	}
	var mu sync.Mutex
	var want [cards][callers*each + 1]string // by seq
	var booking sync.WaitGroup
	for i, code := range codes {
		for c := range callers {
			booking.Go(func() {
				for n := range each {
					record := fmt.Sprint("no ", c, "-", n)
					got := steady.book(entriesPath(cardID, code), record, fmt.Sprintf(`{"add_bonus":%d,"record_bonus":%q}`, n+1, record))
					if got.status != http.StatusCreated {
						t.Errorf("%s: %d %s", record, got.status, got.body)
						return
					}
					e := got.booked(t)
					mu.Lock()
					want[i][e.Seq] = fmt.Sprintf("bonus +%d %d %s", n+1, e.Bonus, record)
					mu.Unlock()
				}
			})
		}
	}
	for range 3 {
		shaky.stop()
		shaky = w.serve()
	}
	booking.Wait()
	for deadline := time.Now().Add(60 * time.Second); len(steady.outbox(t, "")) > 0; {
		if time.Now().After(deadline) {
			t.Fatalf("still in the outbox: %+v", steady.outbox(t, ""))
		}
		<-time.After(50 * time.Millisecond)
	}
	for i := range codes {
		if got, want := messages(w.face(fmt.Sprint("user", i), callers*each*(each+1)/2, 0)), strings.Join(want[i][1:], "; "); got != want {
			t.Errorf("card %d:\n got %s\nwant %s", i, got, want)
		}
	}
	faulty := 0
	for outcome, n := range w.sim.Calls()["/card/membercard/updateuser"].Outcomes {
		if outcome != "0" {
			faulty += n
		}
	}
	if faulty < cards*callers*each/20 {
		t.Errorf("only %d calls failed", faulty)
	}
}
