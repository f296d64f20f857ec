package app_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/sqldb/sqldbtest"
	"github.com/addcard/addcard/internal/testing/apptest"
	"github.com/addcard/addcard/internal/wechatsim"
)

func TestPush_TheHolderSeesAndHearsOfIt(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	cardID := w.Card(apptest.WithBalance)
	s := w.Serve()
	_, code := w.Claim(s, "ming", cardID)
	path := apptest.EntriesPath(cardID, code)
	s.AddEntry(path, "k1", `{"add_bonus":30,"add_balance":5000,"record_bonus":"消费<30>元 & 🎂","record_balance":"充值"}`).Entry(t)
	s.AddEntry(path, "k2", `{"add_bonus":-30,"notify_bonus":false}`).Entry(t)
	s.AddEntry(path, "k3", `{"add_balance":-4990,"record_balance":"购买一杯"}`).Entry(t)
	f := w.WaitTotals("ming", 0, 10)
	if got, want := apptest.Messages(f), "bonus +30 30 消费<30>元 & 🎂; balance +5000 5000 充值; balance -4990 10 购买一杯"; got != want {
		t.Errorf("messages:\n got %s\nwant %s", got, want)
	}
	got := s.Operate("PUT", "/v1/cards/"+cardID+"/codes/"+code+"/fields", `{"custom_field1":"黄金","custom_field3":"7","notify":true}`)
	if got.Status != 200 || string(got.Body) != `{"custom_field1":"黄金","custom_field3":"7"}` {
		t.Errorf("fields: %d %s", got.Status, got.Body)
	}
	apptest.Eventually(t, "the fields are on the face", func() bool {
		faces, _ := w.Sim.Cards("ming")
		return faces[0].CustomFields["custom_field1"] == "黄金" && faces[0].CustomFields["custom_field3"] == "7"
	})
}

// However WeChat fails to answer, the holder gets one message for each entry.
func TestPush_SurvivesWhatWeChatDoes(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]wechatsim.Fault{
		"too often":                 {ErrCode: 45061, Times: 2},
		"busy":                      {ErrCode: -1, Times: 2},
		"busy, with the effect":     {ErrCode: -1, When: "after"},
		"busy in other words":       {ErrCode: -1000, When: "after", Times: 2},
		"dropped, with the effect":  {Drop: true, When: "after"},
		"dropped before":            {Drop: true},
		"a gateway's page":          {HTTPStatus: 502, When: "after"},
		"half an answer":            {Truncate: 9},
		"relabelled":                {ContentType: "text/plain"},
		"an answer that is not all": {Body: new("")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := apptest.New(t, wechatsim.Options{})
			cardID := w.Card()
			s := w.Serve()
			_, code := w.Claim(s, "ming", cardID)
			w.WaitTotals("ming", 0, 0)
			fault.Path = "/card/membercard/updateuser"
			if err := w.Sim.AddFault(fault); err != nil {
				t.Fatal(err)
			}
			s.AddEntry(apptest.EntriesPath(cardID, code), "k1", `{"add_bonus":30}`).Entry(t)
			s.AddEntry(apptest.EntriesPath(cardID, code), "k2", `{"add_bonus":12}`).Entry(t)
			if got, want := apptest.Messages(w.WaitTotals("ming", 42, 0)), "bonus +30 30 ; bonus +12 42 "; got != want {
				t.Errorf("messages: %s, want %s", got, want)
			}
		})
	}
}

// The initial grant is booked once, sent with the activation, and not booked
// again for a card that is deleted and restored.
func TestInitialGrant_ComesWithTheActivation(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	cardID := w.Card(apptest.WithBalance)
	s := w.Serve()
	w.Connect(s)
	got := s.Operate("PUT", "/v1/cards/"+cardID+"/settings", `{"init_bonus":100,"init_balance":7,"init_bonus_record":"开卡送积分"}`)
	if got.Status != 200 {
		t.Fatalf("settings: %d %s", got.Status, got.Body)
	}
	token, code := w.Claim(s, "ming", cardID)
	f := w.WaitTotals("ming", 100, 7)
	if len(f.Messages) != 1 || f.Messages[0].Kind != "activated" || f.Messages[0].Text != "开卡送积分" {
		t.Errorf("messages: %+v", f.Messages)
	}
	ledger := func() (list []apptest.Entry) {
		t.Helper()
		var page struct{ Entries []apptest.Entry }
		s.Operate("GET", apptest.EntriesPath(cardID, code), "").JSON(t, &page)
		return page.Entries
	}
	// WeChat shows the card active a moment before the activation is stored.
	apptest.Eventually(t, "the card is active", func() bool { return s.Cards(token)[0].Status == "active" })
	if list := ledger(); len(list) != 1 || list[0].Seq != 1 || list[0].AddBonus != 100 || list[0].Balance != 7 ||
		list[0].RecordBonus != "开卡送积分" {
		t.Errorf("the ledger: %+v", list)
	}
	w.Phone("ming", "delete-card", `{"card_id":"`+cardID+`","code":"`+code+`"}`)
	apptest.Eventually(t, "the deletion is known", func() bool { return s.Cards(token)[0].Status == "deleted" })
	s.AddEntry(apptest.EntriesPath(cardID, code), "k1", `{"add_bonus":5}`).Entry(t)
	w.AddCard(s, token, "ming", cardID)
	apptest.Eventually(t, "the restored card is active", func() bool { return s.Cards(token)[0].Status == "active" })
	if got, want := apptest.Messages(w.WaitTotals("ming", 105, 7)), "bonus +5 105 "; got != want {
		t.Errorf("messages: %s, want %s", got, want)
	}
	if list := ledger(); len(list) != 2 {
		t.Errorf("the ledger: %+v", list)
	}
}

// Many callers add entries to a few cards at two replicas. One replica restarts
// again and again, and WeChat fails every fifth call, often after its effect. In
// the end each card shows the totals of its ledger, and its holder got one message
// for each entry, in order, with the total after it.
func TestPush_TwoReplicasUnderFaults(t *testing.T) {
	t.Parallel()
	for engine, prepare := range map[string]func(t *testing.T, w *apptest.World){
		"sqlite":   func(*testing.T, *apptest.World) {},
		"postgres": func(t *testing.T, w *apptest.World) { t.Helper(); w.Env["DATABASE_URL"] = sqldbtest.Postgres(t) },
	} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			w := apptest.New(t, wechatsim.Options{Seed: 7})
			w.Quiet = true
			prepare(t, w)
			pushUnderFaults(w, t)
		})
	}
}

func pushUnderFaults(w *apptest.World, t *testing.T) {
	cardID := w.Card(apptest.WithBalance)
	steady, shaky := w.Serve(), w.Serve()
	const cards, callers, each = 4, 4, 6
	codes := make([]string, cards)
	for i := range codes {
		_, codes[i] = w.Claim(steady, fmt.Sprint("user", i), cardID)
		w.WaitTotals(fmt.Sprint("user", i), 0, 0)
	}
	for _, f := range []wechatsim.Fault{
		{ErrCode: 45061, Rate: 0.05}, {ErrCode: -1, Rate: 0.05}, {Drop: true, When: "after", Rate: 0.07},
		{HTTPStatus: 502, When: "after", Rate: 0.05},
	} {
		f.Path, f.Times = "/card/membercard/updateuser", -1
		if err := w.Sim.AddFault(f); err != nil {
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
					got := steady.AddEntry(apptest.EntriesPath(cardID, code), record, fmt.Sprintf(`{"add_bonus":%d,"record_bonus":%q}`, n+1, record))
					if got.Status != http.StatusCreated {
						t.Errorf("%s: %d %s", record, got.Status, got.Body)
						return
					}
					e := got.Entry(t)
					mu.Lock()
					want[i][e.Seq] = fmt.Sprintf("bonus +%d %d %s", n+1, e.Bonus, record)
					mu.Unlock()
				}
			})
		}
	}
	for range 3 {
		shaky.Stop()
		shaky = w.Serve()
	}
	booking.Wait()
	for deadline := time.Now().Add(60 * time.Second); len(steady.Outbox("")) > 0; {
		if time.Now().After(deadline) {
			t.Fatalf("still in the outbox: %+v", steady.Outbox(""))
		}
		<-time.After(50 * time.Millisecond)
	}
	for i := range codes {
		f := w.WaitTotals(fmt.Sprint("user", i), callers*each*(each+1)/2, 0)
		if got, want := apptest.Messages(f), strings.Join(want[i][1:], "; "); got != want {
			t.Errorf("card %d:\n got %s\nwant %s", i, got, want)
		}
	}
	faulty := 0
	for outcome, n := range w.Sim.Calls()["/card/membercard/updateuser"].Outcomes {
		if outcome != "0" {
			faulty += n
		}
	}
	if faulty < cards*callers*each/20 {
		t.Errorf("only %d calls failed", faulty)
	}
}
