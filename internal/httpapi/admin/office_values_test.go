package admin_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/card"
	"github.com/addcard/addcard/internal/cardext"
	"github.com/addcard/addcard/internal/cardsync"
	"github.com/addcard/addcard/internal/ledger"
	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/outbox"
	"github.com/addcard/addcard/internal/ticket"
	"github.com/addcard/addcard/internal/timeline"
	"github.com/addcard/addcard/internal/wechat"
)

const (
	noTime = "Before:0001-01-01 00:00:00 +0000 UTC"
	jobEnd = `"created_at":"0001-01-01T00:00:00Z","actor":"owner","filter":{}}}`
)

// full returns an office that has a value for each field of an answer.
func full() *office {
	at := func(s int64) time.Time { return time.Unix(1_800_000_000+s, 0).UTC() }
	no := false
	c := card.Card{
		ID: "p", Status: card.Verified, RefuseReason: "blurred", Title: "t", BrandName: "b", LogoURL: "l", Color: "Color010",
		BackgroundPicURL: "g", Notice: "o", ServicePhone: "1", CodeType: "CODE_TYPE_TEXT",
		Deposit: true, BindOpenID: true, Quantity: 3, WxActivate: true, JumpForm: true,
		SupplyBalance: true, CustomFields: [3]card.CustomField{1: {Name: "n", URL: "u"}, 2: {Type: "t"}},
		Settings: card.Settings{FixedBeginTimestamp: true, ActivateOnClaim: &no, InitBonus: 5, InitBalance: 600, InitBonusRecord: "开卡送"},
	}
	person := member.Person{
		ID: "m", CreatedAt: at(0), Identities: []member.Identity{{AppID: "wx1", OpenID: "o1", UnionID: "u1", MemberID: "m"}},
		Cards: []member.Card{{CardID: "p", Code: "c", Status: member.Issued}, {CardID: "q", Code: "none", Status: member.Active}},
	}
	e := ledger.Entry{
		Booking: ledger.Booking{AddBonus: 1, AddBalance: 2, RecordBonus: "rb", RecordBalance: "rc", Reverses: "e0", Store: "s1", Order: "o1"},
		Actor:   "amy", ID: "e1", Seq: 9, Bonus: 11, Balance: 12, CreatedAt: at(1), Reversed: true, Sent: ledger.SentParked,
		Undo: ledger.Undo{BackBonus: -1, BackBalance: -2, Order: "o0", BookedAt: at(0)},
	}
	q := outbox.Stored{Message: outbox.Message{ID: "1", CardID: "p", Code: "c", Kind: "entry", Attempts: 4}, State: outbox.Waiting,
		LastError: "why", CreatedAt: at(2), DueAt: at(3)}
	return &office{
		cards: []card.Card{c}, card: c, person: person, people: []member.Person{person}, entries: []ledger.Entry{e},
		journal: []ledger.CardEntry{{Entry: e, CardID: "p1", Code: "c1"}}, queue: []outbox.Stored{q},
		answers: map[string]string{"USER_FORM_INFO_FLAG_NAME": "明"},
		drift:   &cardsync.Drift{Bonus: 1, Balance: 2, FaceBonus: 21, FaceBalance: 22, SeenAt: at(4)},
		report: cardext.Report{Verifies: true, Cause: "why", Detail: "so", Also: []cardext.Finding{{Cause: "more", Detail: "too"}},
			Values: []string{"***", "1"}, Timestamp: at(5)},
		events: []timeline.Event{{At: at(5), Source: "s", ID: "i", Kind: "entry", CardID: "p", Code: "c", Name: "n", Text: "t", Attempts: 6,
			NextAt: at(6), Outcome: "drift", Entry: &timeline.Figures{AddBonus: 1, Bonus: 2, AddBalance: 3, Balance: 4},
			Face: &timeline.Figures{Bonus: 5, Balance: 6}}},
		results: []card.CodeResult{{Code: "1", Result: card.Deposited}, {Code: "2", Result: "refused", Reason: "long"}},
	}
}

const (
	settingsJSON = `{"activate_on_claim":false,"fixed_begintimestamp":true,"init_bonus":5,"init_balance":600,"init_bonus_record":"开卡送"}`
	entryJSON    = `"id":"e1","seq":9,"add_bonus":1,"bonus":11,"add_balance":2,"balance":12,"record_bonus":"rb","record_balance":"rc",` +
		`"created_at":"2027-01-15T08:00:01Z","actor":"amy","store":"s1","order":"o1","reverses":"e0","reversed":true,` +
		`"reverses_order":"o0","reverses_at":"2027-01-15T08:00:00Z","reversed_bonus":-1,"reversed_balance":-2,"push":"dead"`
	personJSON = `"id":"m","created_at":"2027-01-15T08:00:00Z","identities":[{"app_id":"wx1","openid":"o1","unionid":"u1"}],` +
		`"cards":[{"card_id":"p","code":"c","status":"issued","bonus":0,"balance":0},` +
		`{"card_id":"q","code":"none","status":"active","bonus":0,"balance":0}]`
)

// What the operator gives reaches the service, each value at its place, and what the
// service answers reaches the operator.
func TestOperator_EachValueHasItsPlace(t *testing.T) {
	t.Parallel()
	for request, c := range map[string]struct {
		given  string // to the service at last
		status int
		answer string
	}{
		`POST /v1/cards {"card":{"card_type":"x"}}`: {`[{"card_type":"x"}]`, 201, `{"card_id":"p"}`},
		`GET /v1/cards`: {`[]`, 200, `{"cards":[{"card_id":"p","status":"CARD_STATUS_VERIFY_OK","refuse_reason":"blurred","title":"t",` +
			`"brand_name":"b","logo_url":"l","color":"Color010","background_pic_url":"g","code_mode":"deposit","bind_openid":true,` +
			`"quantity":3,"take":"open_card","supply_bonus":false,"supply_balance":true,` +
			`"settings":` + settingsJSON + `,"custom_fields":[{"field":"custom_field2","name":"n","url":"u"},{"field":"custom_field3","name_type":"t"}]}]}`},
		`GET /v1/cards/p1/face`: {`[p1]`, 200, `{"card_id":"p1","title":"t","brand_name":"b","logo_url":"l","color":"Color010",` +
			`"background_pic_url":"g","take":"open_card","activation":"component","sold_out":false,"code_type":"CODE_TYPE_TEXT","notice":"o",` +
			`"service_phone":"1","supply_bonus":false,"supply_balance":true,` +
			`"custom_fields":[{"field":"custom_field2","name":"n","url":"u"},{"field":"custom_field3","name_type":"t"}]}`},
		`GET /v1/cards/p1`: {`[p1]`, 200, `{"card_id":"p1","status":"CARD_STATUS_VERIFY_OK","refuse_reason":"blurred","settings":` +
			settingsJSON + `,"wechat":{"a":1}}`},
		`PATCH /v1/cards/p1 {"member_card":{"a":1}}`: {`[p1 {"member_card":{"a":1}}]`, 200,
			`{"send_check":true,"changed":true,"ignored":["hologram"]}`},
		`PATCH /v1/cards/p1 {"card_id":"p1","card_type":"MEMBER_CARD","card":{"b":2}}`: {
			`[p1 {"card_id":"p1","card_type":"MEMBER_CARD","card":{"b":2}}]`, 200, `{"send_check":true,"changed":true,"ignored":["hologram"]}`},
		`DELETE /v1/cards/p1`:                  {`[p1]`, 204, ``},
		`POST /v1/cards/p1/stock {"delta":-7}`: {`[p1 -7]`, 204, ``},
		`PUT /v1/cards/p1/settings {"activate_on_claim":false,"fixed_begintimestamp":true,"init_bonus":1,"init_balance":2,"init_bonus_record":"r"}`: {
			`[p1 false true 1 2 r]`, 200, settingsJSON},
		`PUT /v1/cards/p1/settings {"init_balance":2}`:             {`[p1 - - - 2 -]`, 200, settingsJSON},
		`PUT /v1/cards/p1/activation-form {"a":[1]}`:               {`[p1 {"a":[1]}]`, 204, ``},
		`POST /v1/cards/p1/codes/c1/unavailable {}`:                {`[p1 c1 ]`, 204, ``},
		`POST /v1/cards/p1/codes/c1/unavailable {"reason":"lost"}`: {`[p1 c1 lost]`, 204, ``},
		`POST /v1/cards/p1/qrcode {"outer_str":"door","expire_seconds":61,"code":"c1","openid":"o1"}`: {
			`[{CardID:p1 Code:c1 OpenID:o1 OuterStr:door ExpireSeconds:61}]`, 200,
			`{"ticket":"t","url":"u","show_qrcode_url":"s","expire_seconds":60}`},
		`POST /v1/cards/p1/codes {"codes":["1","2"]}`: {`[p1 [1 2]]`, 200,
			`{"deposited":1,"results":[{"code":"1","result":"deposited"},{"code":"2","result":"refused","reason":"long"}]}`},
		`PUT /v1/test-whitelist {"openid":["o1"],"username":["n1","n2"]}`: {`[[o1] [n1 n2]]`, 204, ``},
		`POST /v1/shelves {"banner":"b"}`:                                 {`[{"banner":"b"}]`, 201, `{"url":"u","page_id":7}`},
		`POST /v1/explain {"card_id":"p1","cardExt":"{}","signed":{"card_id":"p2","code":"c2","openid":"o2","nonce_str":"n2","timestamp":"2"}}`: {
			`[p1 {} false {CardID:p2 Code:c2 OpenID:o2 NonceStr:n2 Timestamp:2}]`, 200, `{"verifies":true,"cause":"why","detail":"so",` +
				`"also":[{"cause":"more","detail":"too"}],"values":["***","1"],"timestamp":"2027-01-15T08:00:05Z"}`},
		`POST /v1/explain {"card_id":"p1","cardExt":{"a":1}}`: {
			`[p1 {"a":1} true {CardID: Code: OpenID: NonceStr: Timestamp:}]`, 200, `{"verifies":true,"cause":"why","detail":"so",` +
				`"also":[{"cause":"more","detail":"too"}],"values":["***","1"],"timestamp":"2027-01-15T08:00:05Z"}`},
		`GET /v1/members?query=139&limit=3`: {`[139 3]`, 200, `{"members":[{` + personJSON + `}]}`},
		`GET /v1/members?limit=3`:           {`[]`, 200, `{"members":[{` + personJSON + `}]}`},
		`GET /v1/members/m`: {`[p c]`, 200, `{` + personJSON +
			`,"forms":[{"card_id":"p","code":"c","fields":{"USER_FORM_INFO_FLAG_NAME":"明"}}]}`},
		`DELETE /v1/members/m1`:                  {`[m1]`, 204, ``},
		`DELETE /v1/members/m1?unavailable=true`: {`[m1]`, 204, ``},
		`PUT /v1/cards/p1/codes/c1/fields {"custom_field1":"x","custom_field3":"","notify":true}`: {`[p1 c1 x -  true]`, 200,
			`{"custom_field1":"a","custom_field2":"b","custom_field3":"c"}`},
		`PUT /v1/cards/p1/codes/c1/fields {"custom_field2":"y"}`: {`[p1 c1 - y - false]`, 200,
			`{"custom_field1":"a","custom_field2":"b","custom_field3":"c"}`},
		`POST /v1/cards/p1/codes/c1/entries {"add_bonus":1,"add_balance":-2,"record_bonus":"a","record_balance":"b","notify_bonus":false}`: {
			`[p1 c1 {AddBonus:1 AddBalance:-2 RecordBonus:a RecordBalance:b NotifyBonus:false NotifyBalance:true Reverses: ` +
				`Partial:false Store: Order: OncePerOrder:false}]`, 201, `{"entry":{}}`},
		`POST /v1/cards/p1/codes/c1/entries {"reverses":"e1","notify_balance":false}`: {
			`[p1 c1 {AddBonus:0 AddBalance:0 RecordBonus: RecordBalance: NotifyBonus:true NotifyBalance:false Reverses:e1 ` +
				`Partial:false Store: Order: OncePerOrder:false}]`, 201, `{"entry":{}}`},
		`POST /v1/cards/p1/codes/c1/entries {"reverses":"e1","partial":true,"store":"s","order":"o"}`: {
			`[p1 c1 {AddBonus:0 AddBalance:0 RecordBonus: RecordBalance: NotifyBonus:true NotifyBalance:true Reverses:e1 ` +
				`Partial:true Store:s Order:o OncePerOrder:false}]`, 201, `{"entry":{}}`},
		`POST /v1/cards/p1/codes/c1/entries {"add_bonus":1,"order":"o","once_per_order":true}`: {
			`[p1 c1 {AddBonus:1 AddBalance:0 RecordBonus: RecordBalance: NotifyBonus:true NotifyBalance:true Reverses: ` +
				`Partial:false Store: Order:o OncePerOrder:true}]`, 201, `{"entry":{}}`},
		`GET /v1/entries?from=2026-11-01&to=2026-11-30&order=o&actor=a&store=s&card_id=p1`: {
			`[{From:2026-11-01 00:00:00 +0000 UTC To:2026-12-01 00:00:00 +0000 UTC CardID:p1 Order:o Actor:a Store:s}]`, 200,
			`{"entries":[{"card_id":"p1","code":"c1",` + entryJSON + `}]}`},
		`GET /v1/entries/export?to=2026-11-30T08:00:00Z&store=s`: {
			`[csv {From:0001-01-01 00:00:00 +0000 UTC To:2026-11-30 08:00:00 +0000 UTC CardID: Order: Actor: Store:s} UTC]`, 200, "time,card_id\n"},
		`GET /v1/members/export?format=xlsx`: {`[xlsx]`, 200, "card_id,code\n"},
		`GET /v1/cards/p1/codes/c1/entries`:  {`[p1 c1]`, 200, `{"entries":[{` + entryJSON + `}],"drift":{"bonus":21,"balance":22,"seen_at":"2027-01-15T08:00:04Z"}}`},
		`GET /v1/outbox?state=dead&kind=entry&card_id=p&code=1&error_contains=45&limit=3`: {`[{State:dead Kind:entry CardID:p Code:1 ErrorContains:45 ` + noTime + ` IDs:[]} 4]`, 200, `{"messages":[{"id":"1","kind":"entry","state":"waiting","card_id":"p",` +
			`"code":"c","attempts":4,"last_error":"why","created_at":"2027-01-15T08:00:02Z","due_at":"2027-01-15T08:00:03Z"}],"counts":{"waiting":3,"dead":2},"matching":{"waiting":1,"dead":2}}`},
		`GET /v1/outbox/m1`: {`[m1]`, 200, `{"message":{"id":"m1","kind":"","state":"dead","card_id":"","code":"","attempts":0,` +
			`"last_error":"push: wechat: /card/x: -1 busy: wechat: /y: 7 ","errcode":-1,"created_at":"0001-01-01T00:00:00Z","due_at":"0001-01-01T00:00:00Z"},` +
			`"history":[{"at":"2001-09-09T01:46:40Z","outcome":"dead","attempts":3,"text":"why"}]}`},
		`POST /v1/outbox/retry {}`: {`[owner {State: Kind: CardID: Code: ErrorContains: ` + noTime + ` IDs:[]}]`, 202,
			`{"job":{"id":"r","state":"running","total":9,"done":1,"failed":2,` + jobEnd},
		`POST /v1/outbox/retry {"state":"waiting","kind":"k","card_id":"p","code":"c","error_contains":"45","before":"2027-01-15T08:00:00+08:00"}`: {
			`[owner {State:waiting Kind:k CardID:p Code:c ErrorContains:45 Before:2027-01-15 08:00:00 +0800 +0800 IDs:[]}]`, 202,
			`{"job":{"id":"r","state":"running","total":9,"done":1,"failed":2,"created_at":"0001-01-01T00:00:00Z","actor":"owner",` +
				`"filter":{"state":"waiting","kind":"k","card_id":"p","code":"c","error_contains":"45","before":"2027-01-15T08:00:00+08:00"}}}`},
		`POST /v1/outbox/retry {"ids":["a","b"]}`: {`[owner {State: Kind: CardID: Code: ErrorContains: ` + noTime + ` IDs:[a b]}]`, 202,
			`{"job":{"id":"r","state":"running","total":9,"done":1,"failed":2,` + jobEnd},
		`GET /v1/outbox/retry`: {`[50]`, 200, `{"jobs":[{"id":"r","state":"","total":0,"done":0,"failed":0,` +
			`"created_at":"0001-01-01T00:00:00Z","actor":"","filter":{}}]}`},
		`GET /v1/outbox/retry/r1`: {`[r1]`, 200, `{"job":{"id":"r1","state":"done","total":0,"done":0,"failed":0,` +
			`"created_at":"0001-01-01T00:00:00Z","ended_at":"2001-09-09T01:46:40Z","actor":"","filter":{}}}`},
		`DELETE /v1/outbox/retry/r1`: {`[r1]`, 204, ``},
		`GET /v1/members/m1/timeline?limit=3&lang=en`: {`[m1 4]`, 200, `{"why":"why","cards":[{"card_id":"p","code":"c","status":"active",` +
			`"why":"in en"}],"events":[{"at":"2027-01-15T08:00:05Z","kind":"entry","card_id":"p","code":"c","name":"n","text":"t","attempts":6,` +
			`"next_at":"2027-01-15T08:00:06Z","outcome":"drift","entry":{"add_bonus":1,"bonus":2,"add_balance":3,"balance":4},` +
			`"face":{"bonus":5,"balance":6}}]}`},
		`POST /v1/outbox/m1/retry`:                                            {`[m1]`, 202, ``},
		`GET /v1/tickets/jsapi`:                                               {`[jsapi]`, 200, `{"value":"the jsapi","expires_in":3600}`},
		`POST /v1/tickets/wx_card/invalidate {"rejected":"x"}`:                {`[wx_card x]`, 204, ``},
		`POST /v1/tickets/wx_card/invalidate {"rejected":"x","by_hand":true}`: {`[wx_card x by hand]`, 204, ``},
	} {
		method, rest, _ := strings.Cut(request, " ")
		path, body, _ := strings.Cut(rest, " ")
		o := full()
		w := do(o.serve(""), method, path, operatorToken, body, func(r *http.Request) { r.Header.Set("Idempotency-Key", "k") })
		if w.Code != c.status || w.Body.String() != c.answer || o.given != c.given {
			t.Errorf("%s\n got %d %s\nfrom %s\nwant %d %s\nfrom %s", request, w.Code, w.Body, o.given, c.status, c.answer, c.given)
		}
	}
}

// fromMemory are the routes whose services cannot fail.
var fromMemory = []string{"GET /v1/tickets", "GET /v1/checks"}

// An error of a service reaches the operator as a problem, and not as an answer.
func TestOperator_HearsOfEachError(t *testing.T) {
	t.Parallel()
	fault := errors.New("a fault")
	for route := range routes {
		if strings.Contains(route, "/metrics") || strings.Contains(route, "/debug/") || strings.Contains(route, "/export") ||
			strings.Contains(route, "/batch") || slices.Contains(fromMemory, route) { // the items of a batch fail
			continue
		}
		o := full()
		o.err = fault
		if status, text := ask(o.serve(""), route, operatorToken); status != 500 || !strings.Contains(text, `"code":"internal"`) {
			t.Errorf("%s: got %d %.200s", route, status, text)
		}
	}
	for failing, route := range map[string]string{
		"backlog": "GET /v1/outbox", "count": "GET /v1/outbox?kind=k", "messages": "GET /v1/outbox",
		"answers": "GET /v1/members/{id}", "drift": "GET /v1/cards/{card_id}/codes/{code}/entries", "find": "GET /v1/members?query=1",
		"erase with codes": "DELETE /v1/members/{id}?unavailable=true",
	} {
		o := full()
		o.err, o.failing = fault, failing
		if status, text := ask(o.serve(""), route, operatorToken); status != 500 || !strings.Contains(text, `"code":"internal"`) {
			t.Errorf("%s fails: got %d %.200s", failing, status, text)
		}
	}
}

// What WeChat refuses is said in its words, and what lacks a ticket is said to.
func TestOperator_HearsWhoseErrorItIs(t *testing.T) {
	t.Parallel()
	for route := range routes {
		if !strings.Contains(route, "/v1/") || strings.Contains(route, "/export") || strings.Contains(route, "/batch") ||
			slices.Contains(fromMemory, route) { // the items of a batch fail
			continue
		}
		ofWeChat := strings.Contains(route, "/v1/cards") && !strings.Contains(route, "entries") && !strings.Contains(route, "fields") ||
			strings.Contains(route, "whitelist") || strings.Contains(route, "shelves") || strings.Contains(route, "images")
		want := "503 wechat_unavailable"
		if ofWeChat {
			want = "422 wechat_refused"
		}
		o := full()
		o.err = fmt.Errorf("do it: %w", &wechat.Error{API: "/card/x", Code: 40151, Msg: "no"})
		if strings.Contains(route, "/tickets/") {
			want, o.err = "503 ticket_unavailable", fmt.Errorf("do it: %w", ticket.ErrUnavailable)
		}
		status, text := ask(o.serve(""), route, operatorToken)
		if !strings.HasPrefix(want, fmt.Sprint(status)) || !strings.Contains(text, `"code":"`+want[4:]+`"`) ||
			ofWeChat && !strings.Contains(text, "40151") {
			t.Errorf("%s: got %d %s, want %s", route, status, text, want)
		}
	}
	o := full()
	o.err = &wechat.Error{API: "/card/code/unavailable", Code: 40151, Msg: "no"}
	refused(t, "an erasure", do(o.serve(""), "DELETE", "/v1/members/m?unavailable=true", operatorToken, ""), 422, "wechat_refused")
}

// Both kinds of pictures are taken, and nothing else.
func TestImages_ArePicturesOfABoundedSize(t *testing.T) {
	t.Parallel()
	for media, status := range map[string]int{"image/png": 201, "image/jpeg": 201, "image/gif": 415, "application/json": 415, "": 415} {
		o := full()
		as := func(r *http.Request) { r.Header.Set("Content-Type", media) }
		w := do(o.serve(""), http.MethodPost, "/v1/images", operatorToken, "picture", as)
		if w.Code != status || (o.given == "[picture]") != (status == 201) {
			t.Errorf("%q: got %d %s after %s", media, w.Code, w.Body, o.given)
		}
	}
	o := full()
	large := strings.Repeat("x", 8<<20+1)
	w := do(o.serve(""), http.MethodPost, "/v1/images", operatorToken, large, func(r *http.Request) { r.Header.Set("Content-Type", "image/png") })
	refused(t, "a large one", w, 413, "body_too_large")
	if o.calls != nil {
		t.Errorf("a large one reaches %q", o.calls)
	}
}

// What is not valid is refused before a service is called.
func TestOperator_IsRefusedWhatNoSchemaDescribes(t *testing.T) {
	t.Parallel()
	for request, location := range map[string]string{
		`PATCH /v1/cards/p {}`: "body.member_card", `PATCH /v1/cards/p {"card_type":"MEMBER_CARD"}`: "body.member_card",
		`POST /v1/cards/p/qrcode {"outer_str":"` + strings.Repeat("x", 129) + `"}`: "body.outer_str",
		`POST /v1/cards/p/qrcode {"outer_str":"a\u0007"}`:                          "body.outer_str",
	} {
		method, rest, _ := strings.Cut(request, " ")
		path, body, _ := strings.Cut(rest, " ")
		o := full()
		w := do(o.serve(""), method, path, operatorToken, body)
		refused(t, request, w, 422, "invalid_input")
		if !strings.Contains(w.Body.String(), `"location":"`+location+`"`) || o.calls != nil {
			t.Errorf("%s: got %s after %q", request, w.Body, o.calls)
		}
	}
}

// PostgreSQL refuses a NUL and what is no UTF-8, so they reach no service.
func TestOperator_PathsThatAreNoTextNameNothing(t *testing.T) {
	t.Parallel()
	for _, target := range []string{"GET /v1/members/a%00", "DELETE /v1/members/%FF", "POST /v1/outbox/a%00b/retry"} {
		method, path, _ := strings.Cut(target, " ")
		o := full()
		refused(t, target, do(o.serve(""), method, path, operatorToken, ""), 404, "not_found")
		if o.calls != nil {
			t.Errorf("%s: called %q", target, o.calls)
		}
	}
}

// noticing is an answer of which each part is noticed that is sent with status 200.
type noticing struct {
	connection
	sent chan struct{}
}

func (n *noticing) Write(b []byte) (int, error) {
	if n.Code == http.StatusOK {
		n.sent <- struct{}{}
	}
	return n.connection.Write(b)
}

// Few exports run at once, and they leave the operator's other reads in service.
func TestExport_FewRunAtOnce(t *testing.T) {
	t.Parallel()
	o := full()
	o.hang = make(chan struct{})
	end := sync.OnceFunc(func() { close(o.hang) })
	defer end()
	h := o.serve("")
	statuses := make(chan int, 6)
	sent := make(chan struct{}, cap(statuses))
	for range cap(statuses) {
		go func() {
			r := httptest.NewRequest(http.MethodGet, "/v1/members/export", nil)
			r.Header.Set("Authorization", "Bearer "+operatorToken)
			w := &noticing{connection{ResponseRecorder: httptest.NewRecorder()}, sent}
			h.ServeHTTP(w, r)
			statuses <- w.Code
		}()
	}
	for range 2 {
		select {
		case got := <-statuses:
			if got != http.StatusServiceUnavailable {
				t.Errorf("one too many: got %d", got)
			}
		case <-time.After(30 * time.Second):
			t.Fatal("six exports run at once")
		}
	}
	if w := do(h, http.MethodGet, "/v1/members", operatorToken, ""); w.Code != http.StatusOK {
		t.Errorf("a list meanwhile: got %d", w.Code)
	}
	for range 4 {
		select {
		case <-sent: // the first part, before there is a second
		case <-time.After(time.Minute):
			t.Fatal("too few exports run, or they are kept in memory")
		}
	}
	end()
	for range 4 {
		if got := <-statuses; got != http.StatusOK {
			t.Errorf("an export: got %d", got)
		}
	}
}
