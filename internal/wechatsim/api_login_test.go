package wechatsim_test

import (
	"encoding/base64"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/wechatsim"
)

func TestCode2Session_GivesThePersonsIdentityOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, wechatsim.Options{})
	p, _ := r.sim.Person("ann")
	code := r.login("ann")
	got := r.session(code)
	if got.text("openid") != p.MiniOpenID || got.text("unionid") != p.UnionID || p.UnionID == "" {
		t.Fatalf("got %v, want %+v", got, p)
	}
	key, err := base64.StdEncoding.DecodeString(got.text("session_key"))
	if err != nil || len(key) != 16 || !strings.HasPrefix(got.text("session_key"), wechatsim.MarkSessionKey) {
		t.Errorf("session_key %q: %v", got.text("session_key"), err)
	}
	wantCode(t, r.session(code), 40163)
	for _, secret := range []string{code, got.text("session_key"), r.a.MiniProgram.Secret} {
		if !slices.Contains(r.sim.Secrets(), secret) {
			t.Errorf("Secrets does not know %q", secret)
		}
	}
}

func TestCode2Session_Refusals(t *testing.T) {
	t.Parallel()
	r := newRig(t, wechatsim.Options{})
	wantCode(t, r.session("garbage"), 40029)
	wantCode(t, r.session(""), 41008)
	other := r.post("/_sim/phones/ann/login", tree{"app_id": "wxother"}).text("code")
	wantCode(t, r.session(other), 40029)

	late := r.login("ann")
	r.sim.Advance(5 * time.Minute)
	wantCode(t, r.session(late), 40029)

	r.do("PUT", "/_sim/phones/eve", tree{"blocked": true})
	wantCode(t, r.session(r.login("eve")), 40226)

	code := r.login("ann")
	q := "/sns/jscode2session?js_code=" + code + "&appid=" + r.a.MiniProgram.AppID
	wantCode(t, r.get(q+"&grant_type=authorization_code"), 41004)
	wantCode(t, r.get(q+"&grant_type=x&secret=y"), 40002)
	wantCode(t, r.get(q+"&grant_type=authorization_code&secret=wrong"), 40125)
	wantCode(
		t,
		r.get("/sns/jscode2session?grant_type=authorization_code&js_code="+code+"&appid="+r.a.Official.AppID+"&secret="+r.a.Official.Secret),
		40013,
	)
	wantCode(t, r.session(code), 0) // none of that spent the code
}

func TestCode2Session_HundredAMinuteForOnePerson(t *testing.T) {
	t.Parallel()
	r := newRig(t, wechatsim.Options{})
	r.sim.Advance(time.Minute - time.Duration(r.sim.Now().Second())*time.Second)
	for range 100 {
		wantCode(t, r.session(r.login("ann")), 0)
	}
	wantCode(t, r.session(r.login("ann")), 45011)
	wantCode(t, r.session(r.login("bob")), 0)
}

func TestCode2Session_NoUnionIDWhenUnbound(t *testing.T) {
	t.Parallel()
	r := newRig(t, wechatsim.Options{Unbound: true})
	if _, there := r.session(r.login("ann"))["unionid"]; there {
		t.Error("an unbound mini-program got a unionid")
	}
}

func TestPerson_Names(t *testing.T) {
	t.Parallel()
	r := newRig(t, wechatsim.Options{})
	res, body := r.raw("POST", "/_sim/phones/a%20b/login", "")
	if res.StatusCode != 422 || !strings.Contains(string(body), `"field":"user"`) {
		t.Errorf("%d %s", res.StatusCode, body)
	}
}

func TestSeed_RepeatsIdentifiers(t *testing.T) {
	t.Parallel()
	one, two := wechatsim.New(wechatsim.Options{Seed: 7}), wechatsim.New(wechatsim.Options{Seed: 7})
	defer one.Close()
	defer two.Close()
	if one.Accounts() != two.Accounts() {
		t.Error("one seed, two sets of accounts")
	}
	three := wechatsim.New(wechatsim.Options{})
	defer three.Close()
	if three.Accounts() == one.Accounts() {
		t.Error("no seed, but the same accounts")
	}
}

func TestUnionID_OneForAll(t *testing.T) {
	t.Parallel()
	for choice, want := range map[string]struct{ login, event bool }{
		"own": {}, "one-in-events": {event: true}, "one-in-logins": {login: true}, "one": {true, true},
	} {
		r, in := pushRig(t, wechatsim.Assumptions{UnionID: choice}, nil)
		id := r.create(nil, nil)
		r.waitEvents()
		first, _ := r.sim.Person("ann")
		bob, _ := r.sim.Person("bob")
		r.mustAdd("bob", id, tree{"code": "A1"})
		r.waitEvents()
		if got := r.session(r.login("bob")).text("unionid"); (got == first.UnionID) != want.login || !want.login && got != bob.UnionID {
			t.Errorf("%s: login: got %s of %s and %s", choice, got, first.UnionID, bob.UnionID)
		}
		pushes := in.pushes()
		got, _ := pushes[len(pushes)-1].element("UnionId")
		if (got == first.UnionID) != want.event || !want.event && got != bob.UnionID {
			t.Errorf("%s: event: got %s of %s and %s", choice, got, first.UnionID, bob.UnionID)
		}
	}
}
