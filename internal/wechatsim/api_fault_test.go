package wechatsim_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/wechatsim"
)

func (r *rig) fault(f tree) {
	r.t.Helper()
	if res, body := r.raw("POST", "/_sim/faults", encode(f)); res.StatusCode != 200 {
		r.t.Fatalf("fault %v: %s", f, body)
	}
}

func TestFault_ErrcodeHitsAsOftenAsAsked(t *testing.T) {
	t.Parallel()
	r := newRig(t, wechatsim.Options{})
	id := r.create(nil, nil)
	r.fault(tree{"path": "/card/get", "errcode": -1, "times": 2, "skip": 1})
	for i, want := range []int{0, -1, -1, 0} {
		if got := r.card("/card/get", tree{"card_id": id}); got.code() != want {
			t.Errorf("call %d: %v, want %d", i, got, want)
		}
	}
	if got := r.sim.Calls()["/card/get"]; got.Total != 4 || got.Outcomes["0"] != 2 || got.Outcomes["fault:-1"] != 2 {
		t.Errorf("calls %v", got)
	}
}

func TestFault_UntilCleared(t *testing.T) {
	t.Parallel()
	r := newRig(t, wechatsim.Options{})
	r.fault(tree{"path": "*", "errcode": 45009, "times": -1})
	for range 3 {
		wantCode(t, r.stable(r.a.Official, false), 45009)
	}
	r.do("DELETE", "/_sim/faults?path=/card/get", nil)
	wantCode(t, r.stable(r.a.Official, false), 45009)
	r.do("DELETE", "/_sim/faults", nil)
	wantCode(t, r.stable(r.a.Official, false), 0)
}

// A fault "before" has no effect, one "after" has: the login code shows which.
func TestFault_BeforeAndAfterTheEffect(t *testing.T) {
	t.Parallel()
	for when, want := range map[string]int{"before": 0, "after": 40163} {
		for _, f := range []tree{{"errcode": -1}, {"http_status": 502, "body": "<html>bad gateway</html>", "content_type": "text/html"},
			{"drop": true}, {"body": ""}} {
			r := newRig(t, wechatsim.Options{})
			code := r.login("ann")
			f["path"], f["when"] = "/sns/jscode2session", when
			r.fault(f)
			res, err := http.Post(r.server.URL+"/nothing", "", nil)
			if err == nil {
				res.Body.Close()
			}
			r.spoiled(code)
			if got := r.session(code); got.code() != want {
				t.Errorf("%s %v: then %v, want %d", when, f, got, want)
			}
		}
	}
}

// spoiled exchanges a code on a connection of its own and expects no identity.
func (r *rig) spoiled(code string) {
	r.t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	q := url.Values{"appid": {r.a.MiniProgram.AppID}, "secret": {r.a.MiniProgram.Secret}, "js_code": {code},
		"grant_type": {"authorization_code"}}
	res, err := client.Get(r.server.URL + "/sns/jscode2session?" + q.Encode())
	if err != nil {
		return
	}
	defer res.Body.Close()
	if body, _ := io.ReadAll(res.Body); strings.Contains(string(body), "openid") {
		r.t.Errorf("the fault let an answer through: %s", body)
	}
}

// Go's transport silently repeats a GET when a reused connection drops: the
// login code is then spent by the first try and refused to the second.
func TestFault_DroppedKeptAliveConnectionBurnsALoginCode(t *testing.T) {
	t.Parallel()
	r := newRig(t, wechatsim.Options{})
	code := r.login("ann") // the test client now holds a warm connection
	r.session("garbage")
	r.fault(tree{"path": "/sns/jscode2session", "drop": true, "when": "after", "reused": true})
	wantCode(t, r.session(code), 40163)
}

func TestFault_ReusedSparesFreshConnections(t *testing.T) {
	t.Parallel()
	r := newRig(t, wechatsim.Options{})
	r.fault(tree{"path": "*", "http_status": 500, "reused": true})
	get := func(client *http.Client) int {
		res, err := client.Get(r.server.URL + "/cgi-bin/token")
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		io.Copy(io.Discard, res.Body)
		return res.StatusCode
	}
	client := &http.Client{Transport: &http.Transport{}}
	if first, second := get(client), get(client); first != 200 || second != 500 {
		t.Errorf("first %d, second %d", first, second)
	}
	client.CloseIdleConnections()
}

func TestFault_TruncatedBody(t *testing.T) {
	t.Parallel()
	r := newRig(t, wechatsim.Options{})
	r.fault(tree{"path": "/cgi-bin/stable_token", "truncate": 10})
	body := encode(tree{"grant_type": "client_credential", "appid": r.a.Official.AppID, "secret": r.a.Official.Secret})
	res, err := http.Post(r.server.URL+"/cgi-bin/stable_token", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if got, err := io.ReadAll(res.Body); err == nil || len(got) > 10 {
		t.Errorf("read %q, %v", got, err)
	}
}

func TestFault_ContentTypeAloneRelabelsTheTrueAnswer(t *testing.T) {
	t.Parallel()
	r := newRig(t, wechatsim.Options{})
	r.fault(tree{"path": "/cgi-bin/stable_token", "content_type": "text/html"})
	body := encode(tree{"grant_type": "client_credential", "appid": r.a.Official.AppID, "secret": r.a.Official.Secret})
	res, out := r.raw("POST", "/cgi-bin/stable_token", body)
	if res.Header.Get("Content-Type") != "text/html" || !strings.Contains(string(out), wechatsim.MarkAccessToken) {
		t.Errorf("%s %s", res.Header.Get("Content-Type"), out)
	}
}

func TestFault_LatencyAndClose(t *testing.T) {
	t.Parallel()
	r := newRig(t, wechatsim.Options{})
	r.fault(tree{"path": "/cgi-bin/stable_token", "latency_ms": 30})
	start := time.Now()
	wantCode(t, r.stable(r.a.Official, false), 0)
	if took := time.Since(start); took < 30*time.Millisecond {
		t.Errorf("took %v", took)
	}
	r.fault(tree{"path": "/cgi-bin/stable_token", "latency_ms": 3_600_000})
	done := make(chan bool)
	go func() { r.stable(r.a.Official, false); close(done) }()
	r.await(func() bool { return r.get("/_sim/faults")["faults"].([]any)[1].(tree)["hits"] == 1.0 })
	r.sim.Close()
	<-done
}

// await blocks until seen returns true; it fails the test at the deadline.
func (r *rig) await(seen func() bool) {
	r.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !seen(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			r.t.Fatal("not seen within 10 s")
		}
	}
}

func TestFault_RateIsDrawnFromTheSeed(t *testing.T) {
	t.Parallel()
	pattern := func() string {
		r := newRig(t, wechatsim.Options{Seed: 11})
		r.fault(tree{"path": "/cgi-bin/stable_token", "errcode": -1, "times": -1, "rate": 0.5})
		out := ""
		for range 40 {
			out += map[bool]string{true: "x", false: "."}[r.stable(r.a.Official, false).code() == -1]
		}
		return out
	}
	one, two := pattern(), pattern()
	if one != two || !strings.Contains(one, "x") || !strings.Contains(one, ".") {
		t.Errorf("%s and %s", one, two)
	}
}

func TestFault_RefusalsNameTheField(t *testing.T) {
	t.Parallel()
	r := newRig(t, wechatsim.Options{})
	for body, field := range map[string]string{
		`{}`:                             "path",
		`{"path":"/nosuch","errcode":1}`: "path",
		`{"path":"*","when":"later","drop":true}`: "when",
		`{"path":"*","rate":2,"drop":true}`:       "rate",
		`{"path":"*","http_status":99}`:           "http_status",
		`{"path":"*","errcod":1}`:                 "errcod",
		`{"path":"*","times":"x"}`:                "times",
	} {
		res, out := r.raw("POST", "/_sim/faults", body)
		if res.StatusCode != 422 || !strings.Contains(string(out), `"field":"`+field+`"`) {
			t.Errorf("%s: %d %s", body, res.StatusCode, out)
		}
	}
	if res, _ := r.raw("POST", "/_sim/faults", `{"path":"*"}`); res.StatusCode != 422 {
		t.Error("a fault without effect is taken")
	}
}
