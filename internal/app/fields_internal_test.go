package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/auth"
	"github.com/addcard/addcard/internal/card"
	"github.com/addcard/addcard/internal/cardsync"
	"github.com/addcard/addcard/internal/config"
	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/ticket"
	"github.com/addcard/addcard/internal/ticket/tickettest"
	"github.com/addcard/addcard/internal/wechat"
)

// What WeChat says about a card decides how it is claimed, so no field may be lost or
// confused with another.
func TestAccount_Card_HasEveryField(t *testing.T) {
	t.Parallel()
	read := func(base, body string) card.Card {
		t.Helper()
		answer := fmt.Sprintf(`{"card":{"card_type":"MEMBER_CARD","member_card":{"base_info":{"status":"CARD_STATUS_VERIFY_OK"%s}%s}}}`, base, body)
		client := wechat.NewClient(oneToken{}, wechatSays(t, map[string]string{"/card/get": answer}, nil))
		c, err := account{client: client}.Card(t.Context(), "p")
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	got := read(`,"title":"t","brand_name":"b","logo_url":"l","color":"c","description":"d","notice":"o","service_phone":"1","code_type":"T","bind_openid":true,"date_info":{"type":"D"},`+
		`"sku":{"quantity":3,"total_quantity":5}`, `,"background_pic_url":"g","prerogative":"p","supply_bonus":true,"custom_field1":{"name":"n","url":"v"},`+
		`"custom_field3":{"name_type":"y"},"wx_activate":true,"wx_activate_after_submit":true,"wx_activate_after_submit_url":"u"`)
	want := card.Card{
		ID: "p", Status: card.Verified, Title: "t", BrandName: "b", LogoURL: "l", Color: "c", Description: "d",
		Notice: "o", ServicePhone: "1", CodeType: "T", BindOpenID: true, DateType: "D",
		Quantity: 3, TotalQuantity: 5, BackgroundPicURL: "g", Prerogative: "p", SupplyBonus: true,
		CustomFields: [3]card.CustomField{0: {Name: "n", URL: "v"}, 2: {Type: "y"}}, WxActivate: true, JumpForm: true,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	for _, c := range []struct {
		base, body string
		want       func(*card.Card)
	}{
		{`,"use_custom_code":true`, "", func(c *card.Card) { c.UseCustomCode = true }},
		{`,"use_custom_code":true,"get_custom_code_mode":"GET_CUSTOM_CODE_MODE_DEPOSIT"`, "", func(c *card.Card) {
			c.UseCustomCode, c.Deposit = true, true
		}},
		{"", `,"supply_balance":true`, func(c *card.Card) { c.SupplyBalance = true }},
		{"", `,"auto_activate":true`, func(c *card.Card) { c.AutoActivate = true }},
		{"", `,"wx_activate":true,"wx_activate_after_submit":true`, func(c *card.Card) { c.WxActivate = true }}, // there is nowhere to jump to
		{"", `,"wx_activate":true,"wx_activate_after_submit_url":"u"`, func(c *card.Card) { c.WxActivate = true }},
	} {
		want := card.Card{ID: "p", Status: card.Verified, Quantity: -1}
		c.want(&want)
		if got := read(c.base, c.body); !reflect.DeepEqual(got, want) {
			t.Errorf("%s %s:\ngot  %+v\nwant %+v", c.base, c.body, got, want)
		}
	}
}

func TestMemberCards_CardInfoHasEveryField(t *testing.T) {
	t.Parallel()
	answer := `{"openid":"o","membership_number":"n","bonus":1,"balance":2,"user_card_status":"NORMAL","has_active":true,"user_info":{` +
		`"common_field_list":[{"name":"c","value":"1"}],"custom_field_list":[{"name":"m","value_list":["2"]}]}}`
	client := wechat.NewClient(oneToken{}, wechatSays(t, map[string]string{"/card/membercard/userinfo/get": answer}, nil))
	got, err := (memberCards{client: client}).CardInfo(t.Context(), "p", "1")
	want := member.CardInfo{OpenID: "o", Active: true, MembershipNumber: "n", Status: "NORMAL", Bonus: new(int64(1)), Balance: new(int64(2)),
		Form: []member.Answer{{Name: "c", Value: "1"}, {Name: "m", Values: []string{"2"}}}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
}

func TestMemberCards_UpdateSendsEveryField(t *testing.T) {
	t.Parallel()
	const path = "/card/membercard/updateuser"
	bodies := map[string]string{}
	client := wechat.NewClient(oneToken{}, wechatSays(t, map[string]string{path: `{"errcode":0}`}, bodies))
	err := (memberCards{client: client}).Update(t.Context(), cardsync.Update{
		CardID: "p", Code: "1", Bonus: &cardsync.Change{Total: 5, Add: 2, Record: "b", Notify: true}, Balance: &cardsync.Change{Total: 6, Add: 3, Record: "m"},
		Fields: [3]*string{new("x"), nil, new("z")}, NotifyFields: [3]bool{0: true},
	})
	want := `{"code":"1","card_id":"p","record_bonus":"b","bonus":5,"add_bonus":2,"balance":6,"add_balance":3,"record_balance":"m",` +
		`"custom_field_value1":"x","custom_field_value3":"z",` +
		`"notify_optional":{"is_notify_bonus":true,"is_notify_balance":false,"is_notify_custom_field1":true}}`
	if err != nil || bodies[path] != want {
		t.Errorf("sent %s, %v\nwant %s", bodies[path], err, want)
	}
}

func TestActivate_SendsTheRecordOfTheGrant(t *testing.T) {
	t.Parallel()
	const path = "/card/membercard/activate"
	bodies := map[string]string{}
	client := wechat.NewClient(oneToken{}, wechatSays(t, map[string]string{path: `{"errcode":0}`}, bodies))
	err := (memberCards{client: client}).Activate(t.Context(), cardsync.Activation{
		CardID: "p", Code: "1", MembershipNumber: "n", Grant: member.InitialGrant{Bonus: 5, Balance: 7, Record: "r"},
	})
	want := `{"membership_number":"n","code":"1","card_id":"p","init_bonus":5,"init_bonus_record":"r","init_balance":7}`
	if err != nil || bodies[path] != want {
		t.Errorf("sent %s, %v\nwant %s", bodies[path], err, want)
	}
}

// A login that was certainly not sent has not used up its code: the client may try it
// again.
func TestLogin_ThatWasNotSentSaysSo(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	for url, notSent := range map[string]bool{server.URL: true, wechatSays(t, nil, nil).BaseURL: false} {
		_, _, err := login(wechat.NewApp("wx1", "s", wechat.Options{BaseURL: url}).Code2Session).Exchange(t.Context(), "c")
		if err == nil || errors.Is(err, auth.ErrNotSent) != notSent {
			t.Errorf("want that it was not sent: %t; got %v", notSent, err)
		}
	}
}

// emptyCatalogue has no card.
type emptyCatalogue struct{ card.Store }

func (emptyCatalogue) Load(context.Context, string) (card.Card, time.Duration, error) {
	return card.Card{}, 0, card.ErrNotFound
}

// Package member waits for a card that the catalogue does not have yet, and gives up
// after another error.
func TestPlans_OfNoCardSayThatItIsUnknown(t *testing.T) {
	t.Parallel()
	client := wechat.NewClient(oneToken{}, wechatSays(t, map[string]string{"/card/get": refusal(40073)}, nil))
	p := plans{catalogue: card.New(account{client: client}, emptyCatalogue{}, nil)}
	for name, ask := range map[string]func(context.Context, string) error{
		"plan":  func(ctx context.Context, id string) error { _, err := p.Plan(ctx, id); return err },
		"grant": func(ctx context.Context, id string) error { _, err := p.InitialGrant(ctx, id); return err },
	} {
		if err := ask(t.Context(), "p"); !errors.Is(err, member.ErrCardUnknown) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// brokenStore fails to load with this error.
type brokenStore struct {
	ticket.Store
	err error
}

func (s brokenStore) Load(context.Context, string) (ticket.Record, error) {
	return ticket.Record{}, s.err
}

// After the AppSecret was changed the shared copy does not open, and the next fetch
// replaces it. The store is not to blame.
func TestTickets_AreReachableIfTheStoreAnswers(t *testing.T) {
	t.Parallel()
	gone := errors.New("gone")
	for err, want := range map[error]error{nil: nil, ticket.ErrNotFound: nil, ticket.ErrUnreadable: nil, gone: gone} {
		if got := (&tickets{store: brokenStore{err: err}}).Reachable(t.Context()); !errors.Is(got, want) || (got == nil) != (want == nil) {
			t.Errorf("%v: got %v", err, got)
		}
	}
}

// A system that reports a value which WeChat rejects does so as often as it likes: what
// comes too soon after a fetch is ignored.
func TestTickets_RejectTakesAReportThatComesTooSoon(t *testing.T) {
	t.Parallel()
	n := 0
	source := ticket.New("k", func(context.Context) (string, time.Duration, error) {
		n++
		return fmt.Sprint("value", n), time.Hour, nil
	}, tickettest.NewMemory(), ticket.Options{})
	defer source.Close()
	shop := &tickets{jsapi: source}
	for i := range 3 {
		value, _, err := shop.Shared(t.Context(), "jsapi")
		if err == nil {
			err = shop.Reject(t.Context(), "jsapi", value, i == 0)
		}
		if err != nil {
			t.Errorf("report %d: got %v", i, err)
		}
	}
	if n != 2 {
		t.Errorf("%d fetches, want 2", n)
	}
}

// The pools are separate for each listener, and their size is what keeps a listener from
// using up the memory and the descriptors of the process.
func TestBounds_HoldForEachListener(t *testing.T) {
	t.Parallel()
	limited, unlimited := config.Config{RatePerAddress: 100}, config.Config{}
	if a, b := cap(inFlight(limited)), cap(inFlight(unlimited)); a != 256 || b != 1024 {
		t.Errorf("%d and %d requests at once", a, b)
	}
	if a, b := sessionOptions(limited, nil), sessionOptions(unlimited, nil); !a.LimitLogins || b.LimitLogins {
		t.Errorf("logins are limited: %t and %t", a.LimitLogins, b.LimitLogins)
	}
	if b := connections(limited); b.Most != 256 || b.PerPeer != 128 || b.Moment != 50*time.Millisecond {
		t.Errorf("with limits: %+v", b)
	}
	if b := connections(unlimited); b.Most != 4096 || b.PerPeer != 0 || b.Moment != 50*time.Millisecond {
		t.Errorf("without limits: %+v", b)
	}
}
