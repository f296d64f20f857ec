package wechatsim_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/wechatsim"
)

func TestStableToken_NormalModeRepeatsAndCountsDown(t *testing.T) {
	t.Parallel()
	r := newRig(t, wechatsim.Options{})
	first := r.stable(r.a.Official, false)
	r.sim.Advance(time.Hour)
	second := r.stable(r.a.Official, false)
	if first.text("access_token") == "" || first.text("access_token") != second.text("access_token") {
		t.Fatal("the token changed within its life")
	}
	if first.whole("expires_in") != 7200 || second.whole("expires_in") > 3600 {
		t.Errorf("expires_in %d, then %d after an hour", first.whole("expires_in"), second.whole("expires_in"))
	}
	if _, there := first["errcode"]; there {
		t.Error("a token answer carries errcode")
	}
}

func TestStableToken_LastFiveMinutesOverlap(t *testing.T) {
	t.Parallel()
	r := newRig(t, wechatsim.Options{})
	old := r.token()
	r.sim.Advance(7200*time.Second - 299*time.Second)
	fresh := r.token()
	if fresh == old {
		t.Fatal("no new token within the last 300 s")
	}
	for _, token := range []string{old, fresh} {
		wantCode(t, r.get("/cgi-bin/ticket/getticket?type=wx_card&access_token="+token), 0)
	}
	r.sim.Advance(300 * time.Second)
	wantCode(t, r.get("/cgi-bin/ticket/getticket?type=wx_card&access_token="+old), 42001)
}

func TestStableToken_Forced(t *testing.T) {
	t.Parallel()
	r := newRig(t, wechatsim.Options{})
	r.noon()
	old := r.token()
	forced := r.stable(r.a.Official, true).text("access_token")
	if forced == old {
		t.Fatal("force_refresh gave the same token")
	}
	wantCode(t, r.get("/cgi-bin/ticket/getticket?type=wx_card&access_token="+old), 40001)
	if again := r.stable(r.a.Official, true).text("access_token"); again != forced {
		t.Error("a second force within 30 s refreshed")
	}
	for range 19 {
		r.sim.Advance(31 * time.Second)
		wantCode(t, r.stable(r.a.Official, true), 0)
	}
	r.sim.Advance(31 * time.Second)
	wantCode(t, r.stable(r.a.Official, true), 45009)
}

// noon moves WeChat's clock to noon in Beijing, so that no day ends during a test.
func (r *rig) noon() {
	const day, noonUTC = 86400, 4 * 3600
	r.sim.Advance(time.Duration((day+noonUTC-r.sim.Now().Unix()%day)%day) * time.Second)
}

func TestLegacyToken_KillsTheEarlierAfterTheOverlap(t *testing.T) {
	t.Parallel()
	for overlap, want := range map[string]int{"300": 0, "0": 40001} {
		r := newRig(t, wechatsim.Options{Assumptions: wechatsim.Assumptions{TokenOverlap: overlap}})
		stable := r.token()
		old, fresh := r.legacy(), r.legacy()
		if old == fresh {
			t.Fatal("the legacy call repeated a token")
		}
		r.sim.Advance(299 * time.Second)
		wantCode(t, r.ping(old), want)
		r.sim.Advance(2 * time.Second)
		wantCode(t, r.ping(old), 40001)
		wantCode(t, r.ping(fresh), 0)
		wantCode(t, r.ping(stable), 0) // isolated from each other
	}
}

func (r *rig) legacy() string {
	r.t.Helper()
	return r.get(fmt.Sprintf("/cgi-bin/token?grant_type=client_credential&appid=%s&secret=%s", r.a.Official.AppID,
		r.a.Official.Secret)).text("access_token")
}

// ping makes a call that needs nothing but a token.
func (r *rig) ping(token string) reply {
	r.t.Helper()
	return r.get("/cgi-bin/ticket/getticket?type=jsapi&access_token=" + token)
}

func TestToken_Refusals(t *testing.T) {
	t.Parallel()
	r := newRig(t, wechatsim.Options{})
	body := func(patch tree) tree {
		b := tree{"grant_type": "client_credential", "appid": r.a.Official.AppID, "secret": r.a.Official.Secret}
		overlay(b, patch)
		return b
	}
	for name, c := range map[string]struct {
		patch tree
		want  int
	}{
		"good":            {nil, 0},
		"grant type":      {tree{"grant_type": "x"}, 40002},
		"no appid":        {tree{"appid": nil}, 41002},
		"no secret":       {tree{"secret": nil}, 41004},
		"unknown appid":   {tree{"appid": "wx0"}, 40013},
		"wrong secret":    {tree{"secret": "x"}, 40125},
		"force as string": {tree{"force_refresh": "true"}, 47001},
	} {
		if got := r.post("/cgi-bin/stable_token", body(c.patch)); got.code() != c.want {
			t.Errorf("%s: got %v, want %d", name, got, c.want)
		}
	}
	wantCode(t, r.get("/cgi-bin/stable_token"), 43002)
	wantCode(t, r.post("/cgi-bin/token", "x"), 43001)
	wantCode(t, r.post("/cgi-bin/stable_token", ""), 44002)
	wantCode(t, r.get("/cgi-bin/ticket/getticket?type=jsapi"), 41001)
	wantCode(t, r.ping("nosuchtoken"), 40001)
	wantCode(t, r.ping("no%20such%20token"), 40014)
}

func TestToken_IpWhitelist(t *testing.T) {
	t.Parallel()
	r := newRig(t, wechatsim.Options{IPWhitelist: []string{"203.0.113.7"}})
	got := r.stable(r.a.Official, false)
	wantCode(t, got, 40164)
	if !strings.HasPrefix(got.text("errmsg"), "invalid ip 127.0.0.1 ipv6 ::ffff:127.0.0.1, not in whitelist rid: ") {
		t.Errorf("errmsg %q", got.text("errmsg"))
	}
	wantCode(t, r.stable(r.a.MiniProgram, false), 0)
	r.do("PUT", "/_sim/ip-whitelist", tree{"ips": []string{"127.0.0.1"}})
	wantCode(t, r.stable(r.a.Official, false), 0)
}

func TestToken_ExpireControl(t *testing.T) {
	t.Parallel()
	r := newRig(t, wechatsim.Options{})
	token := r.token()
	if got := r.post("/_sim/tokens/expire", tree{"what": "access_token", "errcode": 42001}); got.whole("killed") != 1 {
		t.Fatalf("expire: %v", got)
	}
	wantCode(t, r.ping(token), 42001)
	if r.token() == token {
		t.Error("stable_token hands out a killed token")
	}
}

func TestQuota_PerMinuteAndPerDay(t *testing.T) {
	t.Parallel()
	r := newRig(t, wechatsim.Options{})
	r.do("PUT", "/_sim/quotas", tree{"path": "/cgi-bin/ticket/getticket", "per_minute": 2, "per_day": 3})
	r.noon()
	token := r.token()
	r.sim.Advance(2*time.Minute - time.Duration(r.sim.Now().Second())*time.Second)
	for i, want := range []int{0, 0, 45011} {
		if got := r.ping(token); got.code() != want {
			t.Errorf("call %d: %v, want %d", i, got, want)
		}
	}
	r.sim.Advance(time.Minute)
	wantCode(t, r.ping(token), 45009)
	r.sim.Advance(24 * time.Hour)
	wantCode(t, r.ping(r.token()), 0)
}

func TestAnswers_LookAsOnTheWire(t *testing.T) {
	t.Parallel()
	r := newRig(t, wechatsim.Options{})
	r.sim.Advance(48 * time.Hour)
	for _, c := range []struct{ path, contentType, suffix string }{
		{"/cgi-bin/token", "application/json; encoding=utf-8", " rid: "},
		{"/card/get", "application/json; encoding=utf-8", " hint: ["},
		{"/sns/jscode2session", "text/plain", ", hints: [ req_id: "},
	} {
		res, body := r.raw("GET", c.path, "")
		if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != c.contentType || !strings.Contains(string(body), c.suffix) {
			t.Errorf("%s: %d %q %s", c.path, res.StatusCode, res.Header.Get("Content-Type"), body)
		}
		date, err := http.ParseTime(res.Header.Get("Date"))
		if err != nil || r.sim.Now().Sub(date).Abs() > 5*time.Second {
			t.Errorf("%s: Date %q is not the simulator's", c.path, res.Header.Get("Date"))
		}
	}
}

func TestUnknownPath_IsCountedAndRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t, wechatsim.Options{})
	res, _ := r.raw("POST", "/card/nosuch", "{}")
	if res.StatusCode != http.StatusNotFound || r.sim.Calls()["other"].Total != 1 {
		t.Errorf("status %d, calls %v", res.StatusCode, r.sim.Calls())
	}
}

func TestToken_TestAccountIsOneAccount(t *testing.T) {
	t.Parallel()
	same := wechatsim.Account{AppID: "wxtest", Secret: "s"}
	r := newRig(t, wechatsim.Options{Accounts: wechatsim.Accounts{MiniProgram: same, Official: same}})
	p, err := r.sim.Person("ann")
	if err != nil || p.MiniOpenID != p.OpenID {
		t.Fatalf("%+v %v", p, err)
	}
	wantCode(t, r.card("/card/create", memberCard(nil, nil)), 0)
	if got := r.session(r.login("ann")); got.text("openid") != p.OpenID {
		t.Errorf("session %v", got)
	}
}
