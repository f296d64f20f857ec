package opencard_test

import (
	"net/http"
	"testing"

	"github.com/addcard/addcard/internal/testing/apptest"
	"github.com/addcard/addcard/internal/wechatsim"
)

type cardAnswer struct {
	Card struct{ Code, Status string }
}

// An impatient client sends the report twice. The second activates the card while
// the first is still asking WeChat whether it is active.
func TestActivations_TwiceAtOnceAreOne(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	s := w.Serve()
	id := w.NewCard(s, apptest.OneClick(true))
	token, _ := w.Login(s, "ming")
	back := w.OpenCard(s, "ming", token, id, "")
	if err := w.Sim.AddFault(wechatsim.Fault{Path: "/card/membercard/userinfo/get", LatencyMS: 1000}); err != nil {
		t.Fatal(err)
	}
	first := make(chan apptest.Answer)
	go func() { first <- s.Post("/v1/activations", token, apptest.Activation(id, back.Code, back.Ticket)) }()
	apptest.Eventually(t, "the first report is under way", func() bool { return w.Sim.Calls()["/card/code/get"].Total > 0 })
	s.Post("/v1/activations", token, apptest.Activation(id, back.Code, back.Ticket)).Is(t, 200)
	(<-first).Is(t, 200)
}

// WeChat answers 72012 and −1 to good tickets, too. The outbox handles 45061.
func TestActivations_MoodsOfWeChat(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	s := w.Serve()
	id := w.NewCard(s, apptest.OneClick(true))
	token, _ := w.Login(s, "ming")
	back := w.OpenCard(s, "ming", token, id, "")
	fault := func(path string, code, times int) {
		t.Helper()
		if err := w.Sim.AddFault(wechatsim.Fault{Path: path, ErrCode: code, Times: times}); err != nil {
			t.Fatal(err)
		}
	}
	const info = "/card/membercard/activatetempinfo/get"
	fault(info, 72012, 3)
	s.Post("/v1/activations", token, apptest.Activation(id, back.Code, back.Ticket)).Problem(t, 422, "activate_ticket_invalid")
	fault(info, -1, 3)
	s.Post("/v1/activations", token, apptest.Activation(id, back.Code, back.Ticket)).Problem(t, 503, "wechat_unavailable")
	fault(info, 72012, 1)
	fault(info, -1, 1)
	fault("/card/membercard/activate", 45061, 12)
	var got cardAnswer
	s.Post("/v1/activations", token, apptest.Activation(id, back.Code, back.Ticket)).Is(t, 200).JSON(t, &got)
	if got.Card.Status != "claimed" {
		t.Errorf("while WeChat says 45061: %+v", got)
	}
	apptest.Request(t, http.MethodDelete, w.WeChat.URL+"/_sim/faults", "", nil).Is(t, 200)
	apptest.Eventually(t, "the outbox has activated the card", func() bool {
		var me struct{ Cards []struct{ Status string } }
		s.Get("/v1/me", token).JSON(t, &me)
		return len(me.Cards) == 1 && me.Cards[0].Status == "active"
	})
}
