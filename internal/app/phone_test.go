package app_test

import (
	"encoding/base64"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/addcard/addcard/internal/testing/apptest"
	"github.com/addcard/addcard/internal/wechatsim"
)

const phonePath = "/wxa/business/getuserphonenumber"

// dataKeys returns a DATA_KEYS with one key for each name.
func dataKeys(names ...string) string {
	for i, name := range names {
		names[i] = name + ":" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat(name, 32)[:32]))
	}
	return strings.Join(names, ",")
}

// setPhone sets the number of a simulated user.
func setPhone(w *apptest.World, user, number string) {
	w.T.Helper()
	apptest.Request(w.T, http.MethodPut, w.WeChat.URL+"/_sim/phones/"+user, "", []byte(`{"phone":"`+number+`"}`)).Is(w.T, 200)
}

// tap taps the phone button and returns what the mini-program sends.
func tap(w *apptest.World, user string) map[string]string {
	w.T.Helper()
	code, err := w.Sim.PhoneCode(user)
	if err != nil {
		w.T.Fatal(err)
	}
	return map[string]string{"code": code}
}

// verify has a user show the number, and returns the answer.
func verify(w *apptest.World, s *apptest.Server, token, user string) apptest.Answer {
	w.T.Helper()
	return s.Post("/v1/me/phone", token, tap(w, user))
}

func wantPhone(t *testing.T, a apptest.Answer, want string) {
	t.Helper()
	var got struct{ Phone string }
	if a.Is(t, 200).JSON(t, &got); got.Phone != want {
		t.Errorf("got %q, want %q", got.Phone, want)
	}
}

// wantLoginPhone checks the number in the answer of another login, as on a second phone.
func wantLoginPhone(w *apptest.World, s *apptest.Server, user, want string) {
	w.T.Helper()
	code, err := w.Sim.Login(user)
	if err != nil {
		w.T.Fatal(err)
	}
	var in struct{ Member struct{ Phone string } }
	if s.Post("/v1/session", "", map[string]string{"code": code}).Is(w.T, 200).JSON(w.T, &in); in.Member.Phone != want {
		w.T.Errorf("the login of %s says %q, want %q", user, in.Member.Phone, want)
	}
}

func TestPhone_IsStoredSealedAndFoundInAnySpelling(t *testing.T) {
	t.Parallel()
	for _, country := range []string{"string", "number"} {
		w := apptest.New(t, wechatsim.Options{Assumptions: wechatsim.Assumptions{CountryCode: country}})
		w.Env["DATA_KEYS"] = dataKeys("a")
		s := w.Serve()
		token, memberID := w.Login(s, "ming")
		setPhone(w, "ming", "13800138000")
		wantLoginPhone(w, s, "ming", "")
		body := tap(w, "ming")
		wantPhone(t, s.Post("/v1/me/phone", token, body), "138****8000")
		wantPhone(t, s.Post("/v1/me/phone", token, body), "138****8000") // the answer was lost
		if n := w.Sim.Calls()[phonePath].Total; n != 1 {
			t.Errorf("the code was sent %d times", n)
		}
		wantLoginPhone(w, s, "ming", "138****8000")
		for _, typed := range []string{"13800138000", "%2B86 138-0013-8000", "008613800138000", "１３８００１３８０００"} {
			found := s.Members("?query=" + strings.ReplaceAll(typed, " ", "%20"))
			if len(found.Members) != 1 || found.Members[0].ID != memberID {
				t.Errorf("%s: found %+v", typed, found)
			}
		}
		var shown struct{ Phone string }
		s.Operate(http.MethodGet, "/v1/members/"+memberID, nil).Is(t, 200).JSON(t, &shown)
		if shown.Phone != "138****8000" {
			t.Errorf("the operator sees %q", shown.Phone)
		}
		export := s.Operate(http.MethodGet, "/v1/members/export", nil).Is(t, 200)
		if !strings.Contains(string(export.Body), "13800138000") {
			t.Errorf("the export has no number: %s", export.Body)
		}
		if strings.Contains(w.Log(), "13800138000") || strings.Contains(w.Log(), body["code"]) {
			t.Error("the log has the number or the code")
		}
	}
}

func TestPhone_BelongsToOneMemberAndIsReplaced(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	w.Env["DATA_KEYS"] = dataKeys("a")
	s := w.Serve()
	ming, mingID := w.Login(s, "ming")
	hong, _ := w.Login(s, "hong")
	setPhone(w, "ming", "13800138000")
	setPhone(w, "hong", "13800138000")
	wantPhone(t, verify(w, s, ming, "ming"), "138****8000")
	wantPhone(t, verify(w, s, ming, "ming"), "138****8000")
	verify(w, s, hong, "hong").Problem(t, 409, "phone_taken")

	s.Stop()
	w.Env["DATA_KEYS"] = dataKeys("b", "a") // another key seals now
	s = w.Serve()
	verify(w, s, hong, "hong").Problem(t, 409, "phone_taken")
	setPhone(w, "ming", "13900139000")
	wantPhone(t, verify(w, s, ming, "ming"), "139****9000")
	if found := s.Members("?query=13800138000").Members; len(found) != 0 {
		t.Errorf("found by the former number: %+v", found)
	}
	wantPhone(t, verify(w, s, hong, "hong"), "138****8000")

	s.Operate(http.MethodDelete, "/v1/members/"+mingID, nil).Is(t, 204)
	setPhone(w, "hong", "13900139000")
	wantPhone(t, verify(w, s, hong, "hong"), "139****9000") // no member has it any longer
}

func TestPhone_OneOfManyAtOnceGetsTheNumber(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	w.Env["DATA_KEYS"] = dataKeys("a")
	replicas := []*apptest.Server{w.Serve(), w.Serve()}
	users := []string{"a", "b", "c", "d", "e", "f", "g", "h"}
	status := make([]int, len(users))
	var wg sync.WaitGroup
	for i, user := range users {
		token, _ := w.Login(replicas[0], user)
		setPhone(w, user, "13800138000")
		body := tap(w, user)
		wg.Go(func() { status[i] = replicas[i%2].Post("/v1/me/phone", token, body).Status })
	}
	wg.Wait()
	count := map[int]int{}
	for _, s := range status {
		count[s]++
	}
	if count[200] != 1 || count[409] != len(users)-1 {
		t.Errorf("got %v", count)
	}
}

func TestPhone_WithoutDataKeysNothingIsStored(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	s := w.Serve()
	setPhone(w, "ming", "13800138000")
	setPhone(w, "hong", "13800138000")
	for _, user := range []string{"ming", "hong"} {
		token, _ := w.Login(s, user)
		wantPhone(t, verify(w, s, token, user), "138****8000")
	}
	if found := s.Members("?query=13800138000").Members; len(found) != 0 {
		t.Errorf("found %+v", found)
	}
}

func TestPhone_Refusals(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	w.Env["DATA_KEYS"] = dataKeys("a")
	s := w.Serve()
	token, _ := w.Login(s, "ming")
	login, _ := w.Sim.Login("ming")
	for _, code := range []string{"made-up", login, tap(w, "hong")["code"]} {
		s.Post("/v1/me/phone", token, map[string]string{"code": code}).Problem(t, 422, "phone_code_invalid")
	}
	s.Post("/v1/me/phone", "", tap(w, "ming")).Problem(t, 401, "session_invalid")
	s.Post("/v1/me/phone", token, map[string]string{"code": ""}).Problem(t, 422, "invalid_input")

	shown := func(number, appID string) *string {
		return new(`{"errcode":0,"phone_info":{"purePhoneNumber":"` + number + `","countryCode":"86","watermark":{"appid":"` + appID + `"}}}`)
	}
	for _, c := range []struct {
		fault      wechatsim.Fault
		status     int
		code       string
		retryAfter string
	}{
		{wechatsim.Fault{ErrCode: 45011}, 503, "wechat_unavailable", "60"},
		{wechatsim.Fault{ErrCode: 45009}, 503, "wechat_unavailable", ""},
		{wechatsim.Fault{ErrCode: -1}, 503, "wechat_unavailable", ""},
		{wechatsim.Fault{ErrCode: 40013}, 503, "wechat_unavailable", ""},
		{wechatsim.Fault{ErrCode: 40003}, 422, "phone_code_invalid", ""},
		{wechatsim.Fault{Drop: true}, 503, "wechat_unavailable", ""},
		{wechatsim.Fault{Body: shown("13800138000", "wxother")}, 503, "wechat_unavailable", ""},
		{wechatsim.Fault{Body: shown("junk", w.Sim.Accounts().MiniProgram.AppID)}, 503, "wechat_unavailable", ""},
	} {
		c.fault.Path = phonePath
		if err := w.Sim.AddFault(c.fault); err != nil {
			t.Fatal(err)
		}
		got := verify(w, s, token, "ming")
		got.Problem(t, c.status, c.code)
		if after := got.Header.Get("Retry-After"); c.status == 503 && after == "" || c.retryAfter != "" && after != c.retryAfter {
			t.Errorf("%+v: Retry-After %q", c.fault, after)
		}
	}
	if found := s.Members("?query=13800138000").Members; len(found) != 0 {
		t.Errorf("a number of another mini-program was stored: %+v", found)
	}
	if !strings.Contains(w.Log(), "another mini-program") {
		t.Error("the log does not say what was wrong")
	}
}

// A shop that has no phone button needs no access_token of the mini-program.
func TestPhone_TheAccessTokenIsFetchedWhenItIsNeeded(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	a := w.Sim.Accounts()
	s := w.Serve()
	const metric = `kind="mini_access_token"`
	metrics := func() string { return string(s.Operate(http.MethodGet, "/metrics", nil).Body) }
	state := func() (state string) {
		var all struct {
			Tickets []struct{ Kind, State string }
		}
		s.Operate(http.MethodGet, "/v1/tickets", nil).JSON(t, &all)
		for _, one := range all.Tickets {
			if one.Kind == "mini_access_token" {
				state = one.State
			}
		}
		return state
	}
	token, _ := w.Login(s, "ming")
	if got := state(); got != "unused" || strings.Contains(metrics(), metric) {
		t.Errorf("before it was needed: %s", got)
	}
	verify(w, s, token, "ming").Is(t, 200)
	if got := state(); got != "ready" || !strings.Contains(metrics(), `addcard_ticket_ready{`+metric+`} 1`) {
		t.Errorf("after it was needed: %s", got)
	}
	var shared struct{ Value string }
	s.Operate(http.MethodGet, "/v1/tickets/mini_access_token", nil).Is(t, 200).JSON(t, &shared)
	apptest.Request(t, http.MethodPost, w.WeChat.URL+"/_sim/tokens/expire", "", []byte(`{"account":"miniprogram"}`)).Is(t, 200)
	verify(w, s, token, "ming").Is(t, 200) // WeChat ended it early
	other := w.Serve()
	verify(w, other, token, "ming").Is(t, 200)
	if n := w.Sim.Calls()["/cgi-bin/stable_token"]; a.MiniProgram.AppID == a.Official.AppID || n.Total > 3 {
		t.Errorf("stable_token: %+v, want one of the account and two of the mini-program", n)
	}
}

// A test account is both apps.
func TestPhone_WithOneAppThereIsOneAccessToken(t *testing.T) {
	t.Parallel()
	one := wechatsim.Account{AppID: "wx00000000000000aa", Secret: "0123456789abcdef0123456789abcdef"}
	w := apptest.New(t, wechatsim.Options{Accounts: wechatsim.Accounts{MiniProgram: one, Official: one}})
	s := w.Serve()
	token, _ := w.Login(s, "ming")
	verify(w, s, token, "ming").Is(t, 200)
	var mini, official struct{ Value string }
	s.Operate(http.MethodGet, "/v1/tickets/mini_access_token", nil).Is(t, 200).JSON(t, &mini)
	s.Operate(http.MethodGet, "/v1/tickets/access_token", nil).Is(t, 200).JSON(t, &official)
	if n := w.Sim.Calls()["/cgi-bin/stable_token"].Total; mini != official || n != 1 {
		t.Errorf("%d fetches, equal: %v", n, mini == official)
	}
}
