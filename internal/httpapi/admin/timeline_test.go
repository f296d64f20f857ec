package admin_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/testing/apptest"
	"github.com/addcard/addcard/internal/timeline"
	"github.com/addcard/addcard/internal/wechatsim"
)

// memberTimeline is a page of a timeline.
type memberTimeline struct {
	Why        string
	Cards      []struct{ Code, Status, Why string }
	Events     []line
	NextCursor string `json:"next_cursor"`
}

type line struct {
	At                     time.Time
	Kind, Code, Name, Text string
	Actor                  string
	Attempts               int
}

func (m memberTimeline) kinds() (kinds []string) {
	for _, e := range m.Events {
		kinds = append(kinds, strings.TrimSpace(e.Kind+" "+e.Name))
	}
	return kinds
}

func readTimeline(t *testing.T, s *apptest.Server, memberID, query string) (m memberTimeline) {
	t.Helper()
	s.Operate("GET", "/v1/members/"+memberID+"/timeline"+query, nil).Is(t, http.StatusOK).JSON(t, &m)
	return m
}

// From the login to a push that WeChat refuses, the operator sees each step, and why
// the card is as it is.
func TestTimeline_SaysWhyACardIsAsItIs(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	cardID := w.Card()
	s := w.Serve()
	if err := w.Sim.AddFault(wechatsim.Fault{Path: "/card/membercard/activate", ErrCode: 45061, Times: 1}); err != nil {
		t.Fatal(err)
	}
	token, memberID := w.Login(s, "ming")
	if m := readTimeline(t, s, memberID, ""); m.Why != "该会员还没有会员卡。" || len(m.Cards) != 0 {
		t.Errorf("without a card: %+v", m)
	}
	added := w.AddCard(s, token, "ming", cardID)
	s.Post("/v1/claims", token, apptest.Object{"cardList": added}).Is(t, http.StatusOK)
	code := w.CodeOf("ming")
	w.WaitTotals("ming", 0, 0)
	apptest.Eventually(t, "it is in step", func() bool {
		return readTimeline(t, s, memberID, "?lang=en").Why == "It is active and in step with WeChat."
	})
	if err := w.Sim.AddFault(wechatsim.Fault{Path: "/card/membercard/updateuser", ErrCode: 45021, Times: 1}); err != nil {
		t.Fatal(err)
	}
	s.AddEntry(apptest.EntriesPath(cardID, code), "k1", `{"add_bonus":30,"record_bonus":"消费"}`).Entry(t)
	s.Operate("PUT", "/v1/cards/"+cardID+"/codes/"+code+"/fields", apptest.Object{"custom_field1": "金"}).Is(t, http.StatusOK)
	var m memberTimeline
	want := []string{"operator setFields", "login", "card_ext", "issue", "claim", "activation", "entry", "push_refused entry",
		"push_parked entry", "push_sent activate", "push_sent fields"}
	apptest.Eventually(t, "all is there", func() bool {
		m = readTimeline(t, s, memberID, "")
		return strings.Contains(m.Why, "45021") && !slices.ContainsFunc(want, func(kind string) bool { return !slices.Contains(m.kinds(), kind) })
	})
	if !strings.HasPrefix(m.Why, "已激活；微信拒绝了一次变动，已停止重试：") || !strings.Contains(m.Why, "45021") || len(m.Cards) != 1 ||
		m.Cards[0].Code != code || m.Cards[0].Status != "active" || m.Cards[0].Why != m.Why {
		t.Errorf("got %+v", m)
	}
	for _, e := range m.Events {
		if (e.Kind == "entry" || e.Kind == "operator") != (e.Actor == "owner") {
			t.Errorf("by whom? %+v", e)
		}
	}
	if !slices.IsSortedFunc(m.Events, func(a, b line) int { return b.At.Compare(a.At) }) {
		t.Errorf("not the newest first: %+v", m.Events)
	}
	apptest.Eventually(t, "two pages are what one is", func() bool { // something may happen between two requests
		first := readTimeline(t, s, memberID, "?limit=2")
		second := readTimeline(t, s, memberID, "?limit=2&cursor="+first.NextCursor)
		all := readTimeline(t, s, memberID, "?limit=4")
		return len(all.Events) == 4 && slices.Equal(all.Events, slices.Concat(first.Events, second.Events))
	})
	s.Operate("GET", "/v1/members/nobody/timeline", nil).Problem(t, 404, "member_not_found")
	for query, field := range map[string]string{"lang=de": "query.lang", "cursor=eA": "query.cursor", "limit=0": "query.limit"} {
		p := s.Operate("GET", "/v1/members/"+memberID+"/timeline?"+query, nil).Problem(t, 422, "invalid_input")
		if len(p.Errors) != 1 || p.Errors[0].Location != field {
			t.Errorf("%s: %+v", query, p.Errors)
		}
	}
	s.Operate("DELETE", "/v1/members/"+memberID, nil).Is(t, http.StatusNoContent)
	s.Operate("GET", "/v1/members/"+memberID+"/timeline", nil).Problem(t, 404, "member_not_found")
}

func TestTimeline_PagesHaveNoGapAndNoRepetition(t *testing.T) {
	t.Parallel()
	o := &office{}
	for i := range 7 {
		o.events = append(o.events, timeline.Event{
			At: time.UnixMilli(int64(5000 - i/3)).UTC(), Source: "event", ID: string(rune('z' - i)), Kind: "event",
		})
	}
	h := o.serve("")
	for _, limit := range []string{"1", "2", "3", "7"} {
		var got int
		for cursor := ""; ; {
			w := do(h, "GET", "/v1/members/m/timeline?limit="+limit+"&cursor="+cursor, operatorToken, "")
			page := memberTimeline{}
			(apptest.Answer{Status: w.Code, Header: w.Header(), Body: w.Body.Bytes()}).Is(t, 200).JSON(t, &page)
			got += len(page.Events)
			if cursor = page.NextCursor; cursor == "" {
				break
			}
		}
		if got != 7 {
			t.Errorf("limit %s: %d events", limit, got)
		}
	}
}
