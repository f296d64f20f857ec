package admin_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/addcard/addcard/internal/testing/apptest"
	"github.com/addcard/addcard/internal/wechatsim"
)

// A message that WeChat refuses is parked until the operator retries it.
func TestOutbox_ParkedShownAndRetried(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	cardID := w.Card()
	s := w.Serve()
	_, code := w.Claim(s, "ming", cardID)
	w.WaitTotals("ming", 0, 0)
	if err := w.Sim.AddFault(wechatsim.Fault{Path: "/card/membercard/updateuser", ErrCode: 45021}); err != nil {
		t.Fatal(err)
	}
	e := s.AddEntry(apptest.EntriesPath(cardID, code), "k1", `{"add_bonus":30}`).Entry(t)
	s.AddEntry(apptest.EntriesPath(cardID, code), "k2", `{"add_bonus":12}`).Entry(t)
	w.WaitTotals("ming", 42, 0)
	dead := s.Outbox("?state=dead")
	if len(dead) != 1 || dead[0].ID != e.ID || dead[0].Kind != "entry" || dead[0].Attempts != 1 || dead[0].Code != code ||
		!strings.Contains(dead[0].LastError, "45021") {
		t.Fatalf("parked: %+v", dead)
	}
	apptest.Eventually(t, "nothing waits", func() bool { return len(s.Outbox("?state=waiting")) == 0 })
	if got := s.Operate("POST", "/v1/outbox/"+e.ID+"/retry", ""); got.Status != http.StatusAccepted {
		t.Errorf("retry: %d %s", got.Status, got.Body)
	}
	apptest.Eventually(t, "it is sent", func() bool { return len(s.Outbox("")) == 0 })
	if got, want := apptest.Messages(w.WaitTotals("ming", 42, 0)), "bonus +12 42 ; bonus +30 42 "; got != want {
		t.Errorf("messages: %s, want %s", got, want)
	}
	s.Operate("POST", "/v1/outbox/"+e.ID+"/retry", "").Problem(t, 404, "message_not_found")
	for query, field := range map[string]string{"state=sent": "query.state", "limit=0": "query.limit", "cursor=eA": "query.cursor"} {
		if p := s.Operate("GET", "/v1/outbox?"+query, "").Problem(t, 422, "invalid_input"); len(p.Errors) != 1 || p.Errors[0].Location != field {
			t.Errorf("%s: %+v", query, p.Errors)
		}
	}
	metrics := s.Operate("GET", "/metrics", "")
	for _, line := range []string{`addcard_outbox_sent_total{kind="entry",outcome="dead"} 1`,
		`addcard_outbox_sent_total{kind="entry_again",outcome="done"} 1`} {
		if !strings.Contains(string(metrics.Body), line) {
			t.Errorf("/metrics lacks %s", line)
		}
	}
}
