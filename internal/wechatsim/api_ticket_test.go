package wechatsim_test

import (
	"testing"
	"time"

	"github.com/addcard/addcard/internal/wechatsim"
	"github.com/addcard/addcard/internal/wechatsim/signature"
)

// A second getticket by assumption: the ticket, expires_in after 1000 s, and whether
// a card signed with the first ticket is still accepted 1, 299 and 301 s later.
func TestTicket_EveryReading(t *testing.T) {
	t.Parallel()
	for assumed, want := range map[string]struct {
		same    bool
		expires int
		old     [3]bool
	}{
		"rotate-0":         {false, 7200, [3]bool{false, false, false}},
		"rotate-300":       {false, 7200, [3]bool{true, true, false}},
		"rotate-full":      {false, 7200, [3]bool{true, true, true}},
		"sticky-constant":  {true, 7200, [3]bool{true, true, true}},
		"sticky-remaining": {true, 6200, [3]bool{true, true, true}},
	} {
		t.Run(assumed, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, wechatsim.Options{Assumptions: wechatsim.Assumptions{Ticket: assumed}})
			cardID := r.create(tree{"use_custom_code": false, "get_limit": 50}, nil)
			old := r.ticket("wx_card")
			r.sim.Advance(1000 * time.Second)
			got := r.get("/cgi-bin/ticket/getticket?type=wx_card&access_token=" + r.token())
			if same := got.text("ticket") == old; same != want.same {
				t.Errorf("same ticket: %v", same)
			}
			if off := want.expires - got.whole("expires_in"); off < 0 || off > 5 {
				t.Errorf("expires_in %d, want about %d", got.whole("expires_in"), want.expires)
			}
			for i, wait := range []time.Duration{1, 297, 4} {
				r.sim.Advance(wait * time.Second)
				answer := r.add("ann", cardID, r.ext(old, cardID, nil))
				if ok := answer.text("errMsg") == "addCard:ok"; ok != want.old[i] {
					t.Errorf("look %d: %v", i, answer)
				}
			}
		})
	}
}

func TestTicket_KindsAndRefusals(t *testing.T) {
	t.Parallel()
	r := newRig(t, wechatsim.Options{Assumptions: wechatsim.Assumptions{TicketQuota: "100"}})
	if r.ticket("wx_card") == r.ticket("jsapi") {
		t.Error("one ticket for two kinds")
	}
	wantCode(t, r.get("/cgi-bin/ticket/getticket?type=card&access_token="+r.token()), 40097)
	for range 97 {
		r.ticket("jsapi")
	}
	wantCode(t, r.get("/cgi-bin/ticket/getticket?type=jsapi&access_token="+r.token()), 45009)
}

func TestTicket_StickyEndsWithItsLife(t *testing.T) {
	t.Parallel()
	r := newRig(t, wechatsim.Options{Assumptions: wechatsim.Assumptions{Ticket: "sticky-constant"}})
	old := r.ticket("wx_card")
	r.sim.Advance(7199 * time.Second)
	if r.ticket("wx_card") != old {
		t.Error("changed before its end")
	}
	r.sim.Advance(time.Second)
	if r.ticket("wx_card") == old {
		t.Error("outlived its end")
	}
}

func TestWebConfig_Signature(t *testing.T) {
	t.Parallel()
	r := newRig(t, wechatsim.Options{})
	page := "https://shop.example/card?x=1"
	good := signature.WebPage(r.ticket("jsapi"), "abc", "1700000000", page)
	check := func(given string) bool {
		got := r.post("/_sim/webpages/check", tree{"url": page + "#top", "nonce_str": "abc", "timestamp": 1700000000, "signature": given})
		return got["ok"] == true
	}
	if !check(good) {
		t.Error("a good signature is refused")
	}
	if check(signature.WebPage(r.ticket("wx_card"), "abc", "1700000000", page)) {
		t.Error("the wx_card ticket signs a web page")
	}
}
