package wechat_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/wechat"
)

const (
	rejected    = `{"errcode":40001,"errmsg":"invalid credential, access_token is invalid or not latest rid: 1-2-3"}`
	cardsAnswer = `{"errcode":0,"errmsg":"ok","card_id_list":["p1","p2"],"total_num":7}`
)

func TestClient_Ticket(t *testing.T) {
	t.Parallel()
	u := says(t, `{"errcode":0,"errmsg":"ok","ticket":"`+aTicket+`","expires_in":7200}`)
	value, life, err := u.client(t, twoTokens()).Ticket(t.Context(), "wx_card")
	if value != aTicket || life != 2*time.Hour || err != nil {
		t.Errorf("%q %v %v", value, life, err)
	}
	got := u.seen()[0]
	if got.Method != "GET" || got.Path != "/cgi-bin/ticket/getticket" || got.Query.Encode() != "access_token="+oldToken+"&type=wx_card" {
		t.Errorf("asked %+v", got)
	}
}

// Tickets have a small quota: a GET that Go repeats by itself would use it twice.
func TestClient_Ticket_NeverMeetsADroppedConnectionTwice(t *testing.T) {
	t.Parallel()
	base, requests := droppingServer(t, `{"ticket":"t","expires_in":7200}`)
	c := wechat.NewClient(twoTokens(), wechat.Options{BaseURL: base})
	for n := int32(1); n <= 3; n++ {
		if _, _, err := c.Ticket(t.Context(), "wx_card"); err != nil || requests.Load() != n {
			t.Fatalf("call %d: %v, %d requests seen", n, err, requests.Load())
		}
	}
}

func TestClient_RepeatsACallOnceWithTheNextToken(t *testing.T) {
	t.Parallel()
	for _, answer := range []string{rejected, `{"errcode":40014,"errmsg":"x"}`, `{"errcode":"42001","errmsg":"x"}`} {
		u, s := says(t, answer, cardsAnswer), twoTokens()
		ids, total, err := u.client(t, s).Cards(t.Context(), 50, 50)
		if !slices.Equal(ids, []string{"p1", "p2"}) || total != 7 || err != nil {
			t.Errorf("%s: %v %d %v", answer, ids, total, err)
		}
		calls := u.seen()
		if len(calls) != 2 || calls[0].Query.Get("access_token") != oldToken || calls[1].Query.Get("access_token") != newToken {
			t.Fatalf("%s: calls %+v", answer, calls)
		}
		if calls[0].Body != `{"offset":50,"count":50}` || calls[0].Body != calls[1].Body {
			t.Errorf("%s: bodies %q and %q", answer, calls[0].Body, calls[1].Body)
		}
		if !slices.Equal(s.rejected, []string{oldToken}) {
			t.Errorf("%s: invalidated %v", answer, s.rejected)
		}
	}
}

func TestClient_DoesNotGoRoundWhenTheNextTokenIsRejectedToo(t *testing.T) {
	t.Parallel()
	u, s := says(t, rejected), &tokens{left: []string{"a", "b", "c", "d"}}
	_, _, err := u.client(t, s).Cards(t.Context(), 0, 50)
	e := (*wechat.Error)(nil)
	if !errors.As(err, &e) || !e.TokenRejected() || e.Permanent() {
		t.Errorf("error %v", err)
	}
	if n := len(u.seen()); n != 2 || !slices.Equal(s.rejected, []string{"a"}) {
		t.Errorf("%d requests, invalidated %v; want 2 and [a]", n, s.rejected)
	}
}

func TestClient_LeavesTheTokenAloneWhenItIsNotToBlame(t *testing.T) {
	t.Parallel()
	for _, answer := range []string{
		`{"errcode":40164,"errmsg":"invalid ip"}`, `{"errcode":48001,"errmsg":"api unauthorized"}`,
		`{"errcode":41001,"errmsg":"missing"}`, `{"errcode":-1,"errmsg":"system error"}`, "<html>",
	} {
		u, s := says(t, answer), twoTokens()
		if _, _, err := u.client(t, s).Cards(t.Context(), 0, 50); err == nil || len(u.seen()) != 1 || len(s.rejected) != 0 {
			t.Errorf("%s: %v, %d requests, invalidated %v", answer, err, len(u.seen()), s.rejected)
		}
	}
}

func TestClient_DoesNotRepeatWithATokenThatStays(t *testing.T) {
	t.Parallel()
	u, s := says(t, rejected), twoTokens()
	s.stays = errors.New("too soon")
	_, _, err := u.client(t, s).Cards(t.Context(), 0, 50)
	if e := (*wechat.Error)(nil); !errors.As(err, &e) || !e.TokenRejected() || len(u.seen()) != 1 {
		t.Errorf("%v after %d requests", err, len(u.seen()))
	}
}

func TestClient_PassesOnWhyThereIsNoToken(t *testing.T) {
	t.Parallel()
	u, s := says(t, cardsAnswer), twoTokens()
	s.none = errors.New("no usable value")
	if _, _, err := u.client(t, s).Cards(t.Context(), 0, 50); !errors.Is(err, s.none) || len(u.seen()) != 0 {
		t.Errorf("%v after %d requests", err, len(u.seen()))
	}
}

func TestClient_Card_ReadsWhatDecides(t *testing.T) {
	t.Parallel()
	const card = `{"card_type":"MEMBER_CARD","unheard_of":{},"member_card":{
		"background_pic_url":"https://mmbiz.qlogo.cn/1","supply_bonus":true,"supply_balance":true,"prerogative":"特权",
		"custom_field1":{"name_type":"FIELD_NAME_TYPE_LEVEL","url":"https://x.example/1"},"custom_field2":[],"custom_field3":{"name":"里程"},
		"auto_activate":false,"wx_activate":true,"wx_activate_after_submit":true,"wx_activate_after_submit_url":"https://x.example",
		"base_info":{"id":"p1","status":"CARD_STATUS_VERIFY_OK","title":"会员卡","brand_name":"店名","logo_url":"http://mmbiz.qpic.cn/1",
			"color":"Color010","description":"须知","notice":"出示","service_phone":2088888888,"code_type":"CODE_TYPE_TEXT",
			"use_custom_code":true,"get_custom_code_mode":"GET_CUSTOM_CODE_MODE_DEPOSIT","bind_openid":true,
			"get_limit":1,"date_info":{"type":"DATE_TYPE_FIX_TERM","fixed_term":30},"sku":{"quantity":5,"total_quantity":100}}}}`
	u := says(t, `{ "errcode": 0, "errmsg": "ok", "card": `+card+`}`)
	got, raw, err := u.client(t, twoTokens()).Card(t.Context(), "p1")
	want := wechat.Card{
		ID: "p1", Type: "MEMBER_CARD", Status: "CARD_STATUS_VERIFY_OK",
		Title: "会员卡", BrandName: "店名", LogoURL: "http://mmbiz.qpic.cn/1", Color: "Color010", BackgroundPicURL: "https://mmbiz.qlogo.cn/1",
		Prerogative: "特权", Description: "须知", Notice: "出示", ServicePhone: "2088888888", CodeType: "CODE_TYPE_TEXT",
		CustomFields:  [3]wechat.CustomField{{Type: "FIELD_NAME_TYPE_LEVEL", URL: "https://x.example/1"}, {}, {Name: "里程"}},
		UseCustomCode: true, GetCustomCodeMode: "GET_CUSTOM_CODE_MODE_DEPOSIT", BindOpenID: true, DateType: "DATE_TYPE_FIX_TERM",
		Quantity: 5, TotalQuantity: 100, GetLimit: 1,
		WxActivate: true, WxActivateAfterSubmit: true, WxActivateAfterSubmitURL: "https://x.example", SupplyBonus: true, SupplyBalance: true,
	}
	if err != nil || got != want || string(raw) != card {
		t.Errorf("%v\n got %+v\nwant %+v\nraw %s", err, got, want, raw)
	}
	if body := u.seen()[0].Body; body != `{"card_id":"p1"}` {
		t.Errorf("body %s", body)
	}
}

func TestClient_Card_KnowsBothSpellingsOfAStatus(t *testing.T) {
	t.Parallel()
	for sent, want := range map[string]string{
		"CARD_STATUS_NOT_VERIFY":    "CARD_STATUS_NOT_VERIFY",
		"CARD_STATUS_VERIFY_FALL":   "CARD_STATUS_VERIFY_FAIL",
		"CARD_STATUS_VERIFY_FAIL":   "CARD_STATUS_VERIFY_FAIL",
		"CARD_STATUS_USER_DELETE":   "CARD_STATUS_DELETE",
		"CARD_STATUS_DELETE":        "CARD_STATUS_DELETE",
		"CARD_STATUS_USER_DISPATCH": "CARD_STATUS_DISPATCH",
		"CARD_STATUS_DISPATCH":      "CARD_STATUS_DISPATCH",
		"CARD_STATUS_OF_TOMORROW":   "CARD_STATUS_OF_TOMORROW",
	} {
		u := says(t, `{"card":{"card_type":"MEMBER_CARD","member_card":{"base_info":{"status":"`+sent+`"}}}}`)
		if got, _, err := u.client(t, twoTokens()).Card(t.Context(), "p1"); got.Status != want || got.ID != "p1" || err != nil {
			t.Errorf("%s: %q %v", sent, got.Status, err)
		}
	}
}

// An unreadable card must not be taken for a card without a custom code.
func TestClient_Card_RefusesHalfACard(t *testing.T) {
	t.Parallel()
	for _, answer := range []string{
		`{}`, `{"card":null}`, `{"card":[]}`, `{"card":{}}`, `{"card":{"card_type":"MEMBER_CARD"}}`,
		`{"card":{"card_type":"MEMBER_CARD","member_card":{}}}`,
		`{"card":{"card_type":"MEMBER_CARD","member_card":{"base_info":{"status":"S","use_custom_code":"true"}}}}`,
		`{"card":{"card_type":"MEMBER_CARD","member_card":{"base_info":{"status":"S","id":"p2"}}}}`,
		`{"card":{"card_type":7,"member_card":{"base_info":{"status":"S"}}}}`,
	} {
		_, _, err := says(t, answer).client(t, twoTokens()).Card(t.Context(), "p1")
		if e := (*wechat.Error)(nil); !errors.As(err, &e) || e.Code != 0 || !e.Temporary() || e.UnknownCard() {
			t.Errorf("%s: %v", answer, err)
		}
	}
	for _, answer := range []string{`{"errcode":40073,"errmsg":"invalid card id"}`, `{"errcode":72001,"errmsg":"no matching card"}`} {
		_, _, err := says(t, answer).client(t, twoTokens()).Card(t.Context(), "p1")
		if e := (*wechat.Error)(nil); !errors.As(err, &e) || !e.UnknownCard() {
			t.Errorf("%s: %v", answer, err)
		}
	}
}

func TestClient_SendsTextAsItIs(t *testing.T) {
	t.Parallel()
	u := says(t, `{"errcode":40073,"errmsg":"x"}`)
	u.client(t, twoTokens()).Card(t.Context(), "店<a&b>\u2028\u2029\"\\u\n\x00\x1b")
	got := u.seen()[0]
	if want := `{"card_id":"店<a&b>` + "\u2028\u2029" + `\"\\u\n  "}`; got.Body != want {
		t.Errorf("body %q, want %q", got.Body, want)
	}
	if got := got.Header.Get("Content-Type"); got != "application/json; charset=utf-8" {
		t.Errorf("Content-Type %q", got)
	}
	if _, _, err := u.client(t, twoTokens()).Card(t.Context(), "\xff"); err == nil || len(u.seen()) != 1 {
		t.Errorf("a body that is not UTF-8 was sent: %v", err)
	}
}

func TestClient_TellsTheObserverOfEachRequest(t *testing.T) {
	t.Parallel()
	var got []string
	u := says(t, rejected, `{"errcode":45009,"errmsg":"x"}`, cardsAnswer, "", `{"errcode":-1}`, `{"errcode":-1000}`,
		`{"errcode":48001}`, `{"errcode":40073}`)
	c := wechat.NewClient(twoTokens(), wechat.Options{BaseURL: u.URL, Observe: func(api, outcome string, elapsed time.Duration) {
		if api != "/card/batchget" || elapsed <= 0 {
			t.Errorf("%s took %v", api, elapsed)
		}
		got = append(got, outcome)
	}})
	defer c.Close()
	for range 7 {
		c.Cards(t.Context(), 0, 50)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c.Cards(ctx, 0, 50)
	u.Close()
	c.Cards(t.Context(), 0, 50)
	want := []string{"token_rejected", "quota", "ok", "malformed", "busy", "busy", "permanent", "refused", "canceled", "network"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("outcomes %v, want %v", got, want)
	}
}

func TestClient_LearnsTheTimeFromWeChatButNotFromAGateway(t *testing.T) {
	t.Parallel()
	answer := cardsAnswer
	u := newUpstream(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Date", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat))
		w.Write([]byte(answer))
	})
	clock := new(wechat.Clock)
	c := wechat.NewClient(twoTokens(), wechat.Options{BaseURL: u.URL, Clock: clock})
	defer c.Close()
	answer = "<html>log in to this network</html>"
	if c.Cards(t.Context(), 0, 50); clock.Offset() != 0 {
		t.Errorf("offset %v after an answer that is not WeChat's", clock.Offset())
	}
	answer = cardsAnswer
	if c.Cards(t.Context(), 0, 50); clock.Offset() < 59*time.Minute {
		t.Errorf("offset %v, want an hour", clock.Offset())
	}
}

// clocked are Tokens that remember until when they may take.
type clocked struct{ until []time.Time }

func (c *clocked) Token(ctx context.Context) (string, error) {
	deadline, _ := ctx.Deadline()
	c.until = append(c.until, deadline)
	return fmt.Sprint("token", len(c.until)), nil
}

func (*clocked) Invalidate(context.Context, string) error { return nil }

// The wait for a token and a repetition are within the time of one call: a fetcher must
// not outlast its lease.
func TestClient_ARepeatedCallHasTheTimeOfOne(t *testing.T) {
	t.Parallel()
	var tokens clocked
	began := time.Now()
	c := wechat.NewClient(&tokens, wechat.Options{BaseURL: says(t, rejected, cardsAnswer).URL})
	defer c.Close()
	if _, _, err := c.Cards(t.Context(), 0, 50); err != nil || len(tokens.until) != 2 {
		t.Fatalf("%v, %d tokens", err, len(tokens.until))
	}
	first, second := tokens.until[0], tokens.until[1]
	if first.Before(began) || first.After(time.Now().Add(8*time.Second)) || !second.Equal(first) {
		t.Errorf("until %v, then %v", first.Sub(began), second.Sub(began))
	}
}

// Answers about codes and logins come in numbers, so none may be long.
func TestClient_OnlyACardMayBeLong(t *testing.T) {
	t.Parallel()
	for length, ok := range map[int]bool{500 << 10: true, 1 << 20: false} {
		answer := `{"errcode":0,"card":{"card_type":"MEMBER_CARD","member_card":{"base_info":{"id":"p1","status":"CARD_STATUS_VERIFY_OK","description":"` +
			strings.Repeat("x", length) + `"}}}}`
		if _, _, err := says(t, answer).client(t, twoTokens()).Card(t.Context(), "p1"); (err == nil) != ok {
			t.Errorf("a card of %d bytes: %v", length, err)
		}
	}
	long := `{"openid":"o1","session_key":"k","more":"` + strings.Repeat("x", 64<<10) + `"}`
	if _, _, err := says(t, long).app().Code2Session(t.Context(), loginCode); err == nil || !strings.Contains(err.Error(), "too long") {
		t.Errorf("a long answer to a login: %v", err)
	}
}
