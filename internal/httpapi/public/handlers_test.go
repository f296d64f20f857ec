package public_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/addcard/addcard/internal/card"
	"github.com/addcard/addcard/internal/cardlist"
	"github.com/addcard/addcard/internal/httpapi/public"
	"github.com/addcard/addcard/internal/ledger"
	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/opencard"
)

var errTest = errors.New("a fault")

// The ledger of a card is read for its holder only, and looks to others as if the
// code did not exist.
func TestMyEntries_AreTheHoldersOnly(t *testing.T) {
	t.Parallel()
	s := &shop{entries: []ledger.Entry{{Seq: 1}}}
	h := s.serve(public.Options{})
	for name, path := range map[string]string{
		"another member's code": "/v1/me/cards/p/codes/c-ming/entries",
		"another card":          "/v1/me/cards/q/codes/c-hong/entries",
		"no such code":          "/v1/me/cards/p/codes/none/entries",
	} {
		refused(t, do(h, "GET", path, "hong", ""), 404, "code_not_found", "")
		if s.pages != 0 {
			t.Errorf("%s: the ledger was read", name)
		}
	}
	if w := do(h, "GET", "/v1/me/cards/p/codes/c-hong/entries", "hong", ""); w.Code != 200 || s.pages != 1 {
		t.Errorf("one's own: %d %s", w.Code, w.Body)
	}
	s.err = member.ErrMemberUnknown // a session outlives its member
	refused(t, do(h, "GET", "/v1/me/cards/p/codes/c-hong/entries", "hong", ""), 401, "session_invalid", "")
}

func TestMyEntries_PagesHaveNoGapAndNoRepetition(t *testing.T) {
	t.Parallel()
	s := &shop{}
	for seq := int64(7); seq > 0; seq-- {
		s.entries = append(s.entries, ledger.Entry{Seq: seq})
	}
	h := s.serve(public.Options{})
	for limit := 1; limit <= 8; limit++ {
		var seqs []int64
		path := fmt.Sprintf("/v1/me/cards/p/codes/c-ming/entries?limit=%d", limit)
		for cursor := ""; ; {
			var page struct {
				Entries    []struct{ Seq int64 }
				NextCursor string `json:"next_cursor"`
			}
			decode(t, do(h, "GET", path+cursor, "ming", ""), &page)
			for _, e := range page.Entries {
				seqs = append(seqs, e.Seq)
			}
			if len(page.Entries) > limit || len(seqs) > 7 {
				t.Fatalf("limit %d: a page of %d, %v in all", limit, len(page.Entries), seqs)
			}
			if page.NextCursor == "" {
				break
			}
			cursor = "&cursor=" + page.NextCursor
		}
		if !slices.Equal(seqs, []int64{7, 6, 5, 4, 3, 2, 1}) {
			t.Errorf("limit %d: got %v", limit, seqs)
		}
	}
	for _, cursor := range []string{"MA", "LTE", "MSAy", "eA", "MQ=="} { // 0, -1, "1 2", x, and 1 with padding
		refused(t, do(h, "GET", "/v1/me/cards/p/codes/c-ming/entries?cursor="+cursor, "ming", ""), 422, "invalid_input", "query.cursor")
	}
}

func TestClaims_PassOnWhatThePhoneHasAdded(t *testing.T) {
	t.Parallel()
	s := &shop{}
	h := s.serve(public.Options{})
	do(h, "POST", "/v1/claims", "ming", `{"cardList":[{"cardId":"a","code":"1"},{"cardId":"b","code":"2","isSuccess":false},
		{"cardId":"c","isSuccess":false},{"cardId":"d","code":"4","isSuccess":true}]}`)
	if want := []cardlist.Added{{CardID: "a", Code: "1"}, {CardID: "d", Code: "4"}}; !slices.Equal(s.claimed, want) {
		t.Errorf("claimed %v, want %v", s.claimed, want)
	}
	long := strings.Repeat("x", 512)
	if w := do(h, "POST", "/v1/claims", "ming", `{"cardList":[{"cardId":"`+long[:64]+`","code":"`+long+`"}]}`); w.Code != 200 {
		t.Errorf("the longest: %d %s", w.Code, w.Body)
	}
	s.claimed = nil
	for body, location := range map[string]string{
		`{}`:                                 "body.cardList",
		`{"cardList":null}`:                  "body.cardList",
		`{"cardList":[]}`:                    "body.cardList",
		items(`"cardId":"a","code":"1"`, 11): "body.cardList",
		`{"cardList":[{"cardId":"a","code":"1"},{"code":"1"}]}`:          "body.cardList[1].cardId",
		`{"cardList":[{"cardId":"","code":"1"}]}`:                        "body.cardList[0].cardId",
		`{"cardList":[{"cardId":"a/b","code":"1"}]}`:                     "body.cardList[0].cardId",
		`{"cardList":[{"cardId":"` + long[:65] + `","code":"1"}]}`:       "body.cardList[0].cardId",
		`{"cardList":[{"cardId":"a","isSuccess":false},{"cardId":"a"}]}`: "body.cardList[1].code",
		`{"cardList":[{"cardId":"a","code":"","isSuccess":true}]}`:       "body.cardList[0].code",
		`{"cardList":[{"cardId":"a","code":"` + long + `x"}]}`:           "body.cardList[0].code",
		`{"cardList":[{"cardId":"a","code":7}]}`:                         "body.cardList[0].code",
		`{"cardList":[{"cardId":"a","code":"1"}],"member_id":"m-hong"}`:  "body.member_id",
	} {
		refused(t, do(h, "POST", "/v1/claims", "ming", body), 422, "invalid_input", location)
	}
	if s.claimed != nil {
		t.Errorf("a refused request claims %v", s.claimed)
	}
}

// items returns a claim of n equal items.
func items(item string, n int) string {
	return `{"cardList":[` + strings.TrimSuffix(strings.Repeat("{"+item+"},", n), ",") + `]}`
}

// The service counts what the phone has added, the problem what the request has.
func TestClaims_NameTheItemOfTheRequest(t *testing.T) {
	t.Parallel()
	const body = `{"cardList":[{"cardId":"a","isSuccess":false},{"cardId":"b","code":"2"},{"cardId":"c","isSuccess":false},{"cardId":"d","code":"4"}]}`
	for _, c := range []struct {
		index          int
		err            error
		status         int
		code, location string
	}{
		{0, cardlist.ErrNotYours, 403, "code_not_yours", "body.cardList[1].code"},
		{1, cardlist.ErrNotYours, 403, "code_not_yours", "body.cardList[3].code"},
		{1, cardlist.ErrCodeInvalid, 422, "invalid_input", "body.cardList[3].code"},
		{1, card.ErrNotFound, 404, "card_not_found", "body.cardList[3].cardId"},
	} {
		s := &shop{err: &cardlist.ItemError{Index: c.index, Err: fmt.Errorf("claim: %w", c.err)}}
		refused(t, do(s.serve(public.Options{}), "POST", "/v1/claims", "ming", body), c.status, c.code, c.location)
	}
}

func TestCardExt_PassesOnWhatIsWanted(t *testing.T) {
	t.Parallel()
	s := &shop{}
	h := s.serve(public.Options{})
	longest := strings.Repeat("汉", 42) + "ab" // 128 bytes
	do(h, "POST", "/v1/card-ext", "ming", `{"cards":[{"card_id":"a","outer_str":"`+longest+`"},{"card_id":"b"}]}`)
	if want := []cardlist.Request{{CardID: "a", OuterStr: longest}, {CardID: "b"}}; !slices.Equal(s.wants, want) {
		t.Errorf("wanted %v, want %v", s.wants, want)
	}
	s.wants = nil
	for body, location := range map[string]string{
		`{"cards":[{"card_id":"a"},{"card_id":"b"},{"card_id":"a"}]}`:                "body.cards[2].card_id",
		`{"cards":[{"card_id":"a"},{"card_id":"b","outer_str":"` + longest + `c"}]}`: "body.cards[1].outer_str",
		`{"cards":[{"card_id":"a","outer_str":"a\nb"}]}`:                             "body.cards[0].outer_str",
		`{"cards":[{"card_id":"a","outer_str":"a\u007f"}]}`:                          "body.cards[0].outer_str",
		`{"cards":[{"card_id":"a","openid":"o"}]}`:                                   "body.cards[0].openid",
		`{"cards":[{"card_id":"a"}],"timestamp":"1"}`:                                "body.timestamp",
	} {
		refused(t, do(h, "POST", "/v1/card-ext", "ming", body), 422, "invalid_input", location)
	}
	if s.wants != nil {
		t.Errorf("a refused request makes %v", s.wants)
	}
	s.err = &cardlist.ItemError{Index: 1, Err: card.ErrNotClaimable}
	refused(t, do(h, "POST", "/v1/card-ext", "ming", `{"cards":[{"card_id":"a"},{"card_id":"b"}]}`), 409, "card_not_claimable",
		"body.cards[1].card_id")
}

func TestOpenCard_PassesOnCardAndChannel(t *testing.T) {
	t.Parallel()
	s := &shop{}
	h := s.serve(public.Options{})
	w := do(h, "GET", "/v1/cards/p/open-card?outer_str=%E5%BA%97%20a%26b", "ming", "")
	want := `{"appId":"` + opencard.AppID + `","extraData":{"encrypt_card_id":"e","outer_str":"店 a&b","biz":"b"}}`
	if w.Body.String() != want || s.opened != [3]string{"p", "店 a&b"} {
		t.Errorf("got %s for %q, want %s", w.Body, s.opened, want)
	}
	if w := do(h, "GET", "/v1/cards/p/open-card?outer_str="+strings.Repeat("x", 128), "ming", ""); w.Code != 200 {
		t.Errorf("128 bytes: %d %s", w.Code, w.Body)
	}
	for query, location := range map[string]string{
		"outer_str=" + strings.Repeat("x", 129): "query.outer_str", "outer_str=a%0Ab": "query.outer_str",
		"outer_str=a&outer_str=b": "query.outer_str",
	} {
		refused(t, do(h, "GET", "/v1/cards/p/open-card?"+query, "ming", ""), 422, "invalid_input", location)
	}
	for err, code := range map[error]string{
		opencard.ErrCodeMode: "code_mode_unsupported", opencard.ErrNotOneClick: "not_one_click", card.ErrNotClaimable: "card_not_claimable",
	} {
		s.err = err
		refused(t, do(h, "GET", "/v1/cards/p/open-card", "ming", ""), 409, code, "")
	}
}

func TestActivations_PassOnWhatTheComponentGave(t *testing.T) {
	t.Parallel()
	s := &shop{}
	h := s.serve(public.Options{})
	body := func(cardID, code, ticket string) string {
		return fmt.Sprintf(`{"card_id":%q,"code":%q,"activate_ticket":%q}`, cardID, code, ticket)
	}
	long := strings.Repeat("x", 1024)
	w := do(h, "POST", "/v1/activations", "ming", body(long[:64], long[:64], long))
	if w.Code != 200 || s.opened != [3]string{long[:64], long[:64], long} {
		t.Errorf("the longest: %d %s", w.Code, w.Body)
	}
	do(h, "POST", "/v1/activations", "ming", body("p", "c-1", "t%2F+="))
	if s.opened != [3]string{"p", "c-1", "t%2F+="} {
		t.Errorf("activated %q", s.opened)
	}
	for text, location := range map[string]string{
		body("", "c", "t"): "body.card_id", body(long[:65], "c", "t"): "body.card_id", body("a b", "c", "t"): "body.card_id",
		body("p", "", "t"): "body.code", body("p", long[:65], "t"): "body.code", body("p", "c/d", "t"): "body.code",
		body("p", "c", ""): "body.activate_ticket", body("p", "c", long+"x"): "body.activate_ticket",
		body("p", "c", "a b"):        "body.activate_ticket",
		`{"card_id":"p","code":"c"}`: "body.activate_ticket",
	} {
		refused(t, do(h, "POST", "/v1/activations", "ming", text), 422, "invalid_input", location)
	}
	for err, want := range map[error]string{opencard.ErrTicket: "422 activate_ticket_invalid", cardlist.ErrNotYours: "403 code_not_yours"} {
		s.err = err
		w := do(h, "POST", "/v1/activations", "ming", body("p", "c", "t"))
		if got := fmt.Sprint(w.Code, " ", problemOf(t, w).Code); got != want {
			t.Errorf("%v: got %s, want %s", err, got, want)
		}
	}
}
