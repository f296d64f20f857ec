package app_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/addcard/addcard/internal/app"
	"github.com/addcard/addcard/internal/config"
	"github.com/addcard/addcard/internal/testing/apptest"
	"github.com/addcard/addcard/internal/wechatsim"
)

// A card was in use before addcard was there: what is on its face stays on it, and is
// the opening entry of its ledger.
func TestStart_OfACardThatAnotherSystemActivated(t *testing.T) {
	t.Parallel()
	for name, update := range map[string]string{"WeChat reports pushes": "sent", "WeChat does not": "silent"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := apptest.New(t, wechatsim.Options{Assumptions: wechatsim.Assumptions{MemberUpdate: update}})
			cardID := w.Card(apptest.WithBalance, func(base, _ apptest.Object) { base["use_custom_code"] = false })
			take := `{"card_id":"` + cardID + `"}`
			w.Phone("ming", "scan-qr", take)
			code := w.CodeOf("ming")
			activation := `{"card_id":"` + cardID + `","code":"` + code + `","membership_number":"VIP7","init_bonus":500,"init_balance":8800}`
			if got := w.CallWeChat("/card/membercard/activate", activation); got.Status != 200 {
				t.Fatalf("activate: %d %s", got.Status, got.Body)
			}

			s := w.Serve()
			w.Connect(s)
			w.Phone("ming", "delete-card", `{"card_id":"`+cardID+`","code":"`+code+`"}`)
			w.Phone("ming", "scan-qr", take) // restores it
			path := apptest.EntriesPath(cardID, code)
			var page struct{ Entries []apptest.Entry }
			apptest.Eventually(t, "the opening entry is there", func() bool {
				s.Operate("GET", path, "").JSON(t, &page) // until the card is known, a problem
				return len(page.Entries) > 0
			})
			if e := page.Entries[0]; len(page.Entries) != 1 || e.Bonus != 500 || e.Balance != 8800 || e.AddBonus != 500 || e.AddBalance != 8800 {
				t.Errorf("entries: %+v", page.Entries)
			}
			s.AddEntry(path, "k1", `{"add_bonus":10,"record_bonus":"消费"}`).Entry(t)
			f := w.WaitTotals("ming", 510, 8800)
			if got, want := apptest.Messages(f), "bonus +10 510 消费"; got != want || f.MembershipNumber != "VIP7" {
				t.Errorf("messages %s of card %s, want %s", got, f.MembershipNumber, want)
			}
		})
	}
}

// WeChat gives points of its own to a card that becomes active.
func TestStart_KeepsThePointsOfTheBonusRule(t *testing.T) {
	t.Parallel()
	for name, auto := range map[string]bool{"a card that activates itself": true, "a card that addcard activates": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := apptest.New(t, wechatsim.Options{Assumptions: wechatsim.Assumptions{OwnPoints: "bonus_rule"}})
			cardID := w.Card(func(_, member apptest.Object) {
				if auto {
					delete(member, "activate_url")
					member["auto_activate"] = true
				}
				member["bonus_rule"] = apptest.Object{"init_increase_bonus": 10}
			})
			s := w.Serve()
			w.Connect(s)
			_, code := w.Claim(s, "ming", cardID)
			w.WaitTotals("ming", 10, 0)
			s.AddEntry(apptest.EntriesPath(cardID, code), "k1", `{"add_bonus":5}`).Entry(t)
			if got, want := apptest.Messages(w.WaitTotals("ming", 15, 0)), "bonus +5 15 "; got != want {
				t.Errorf("messages: %s, want %s", got, want)
			}
		})
	}
}

// No server of a test listens for other machines: 192.0.2.1 cannot be listened on.
func TestNew_WarnsOfWhatOtherMachinesCanReach(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	for addr, want := range map[string]bool{"127.0.0.1:0": false, "192.0.2.1:0": true} {
		cfg, err := config.Load(append(w.Environ(), "ADMIN_LISTEN_ADDR="+addr, "TRUSTED_PROXIES=192.0.2.7"))
		if err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		a, err := app.New(t.Context(), cfg, app.Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
		if err == nil {
			err = a.Close()
		}
		if (err != nil) != want {
			t.Error(err)
		}
		if warned := strings.Contains(log.String(), "level=WARN msg=\"ADMIN_LISTEN_ADDR: "); warned != want {
			t.Errorf("%s: the log is %q", addr, &log)
		}
	}
}
