package wechatsim_test

import (
	"testing"

	"github.com/addcard/addcard/internal/wechatsim"
	"github.com/addcard/addcard/internal/wechatsim/push"
)

func TestTrigger_EveryKindFromTheControlAPI(t *testing.T) {
	t.Parallel()
	r, in := pushRig(t, wechatsim.Assumptions{}, nil)
	id := r.create(nil, nil)
	r.mustAdd("bob", id, tree{"code": "B1", "outer_str": "door"})
	r.waitEvents()
	for _, kind := range push.Kinds() {
		from := len(in.pushes())
		got := r.post("/_sim/events/trigger", tree{"event": kind.Name, "user": "bob"})
		if got.text("state") != "delivered" {
			t.Errorf("%s: %v", kind.Name, got)
			continue
		}
		l := in.pushes()[from]
		for _, f := range kind.Fields {
			if _, there := l.element(f.Name); !there {
				t.Errorf("%s has no %s", kind.Name, f.Name)
			}
		}
		if code, there := l.element("UserCardCode"); there && code != "B1" {
			t.Errorf("%s is about %s", kind.Name, code)
		}
	}
}

func TestTrigger_OverridesTwiceLateAndElsewhere(t *testing.T) {
	t.Parallel()
	r, in := pushRig(t, wechatsim.Assumptions{}, nil)
	elsewhere := newInbox(t, nil)
	got := r.post("/_sim/events/trigger", tree{"event": "user_get_card", "to": elsewhere.URL, "twice": true,
		"fields": tree{"UserCardCode": "]]>&<", "CreateTime": 1700000000, "OuterStr": nil, "SourceScene": "X", "FromUserName": "oOther"}})
	if got.text("state") != "delivered" || len(in.pushes()) != 0 || len(elsewhere.pushes()) != 2 {
		t.Fatalf("%v: %d here, %d there", got, len(in.pushes()), len(elsewhere.pushes()))
	}
	l := elsewhere.pushes()[0]
	_, outer := l.element("OuterStr")
	if l.text("UserCardCode") != "]]>&<" || l.text("CreateTime") != "1700000000" || outer || l.text("SourceScene") != "X" ||
		l.query.Get("openid") != "oOther" {
		t.Errorf("%s %v", l.body, l.query)
	}
	if got := r.post("/_sim/events/trigger", tree{"event": "user_del_card", "late_seconds": 0.05}); got.text("state") != "waiting" {
		t.Errorf("late: %v", got)
	}
	r.waitEvents()
	if len(in.pushes()) != 1 {
		t.Errorf("late: %v", in.events())
	}
	for field, body := range map[string]tree{"event": {"event": "nosuch"}, "fields": {"event": "user_del_card", "fields": tree{"a b": "x"}},
		"url": {"event": "user_del_card", "to": "ftp://x"}, "late_seconds": {"event": "user_del_card", "late_seconds": -1}} {
		if got := r.post("/_sim/events/trigger", body); got.text("field") != field {
			t.Errorf("%s: %v", field, got)
		}
	}
	r.do("PUT", "/_sim/callback", tree{})
	if got := r.post("/_sim/events/trigger", tree{"event": "user_del_card"}); got.text("field") != "to" {
		t.Errorf("no callback: %v", got)
	}
}

func TestCallback_VerifyAndRefusals(t *testing.T) {
	t.Parallel()
	r, _ := pushRig(t, wechatsim.Assumptions{}, nil)
	if got := r.post("/_sim/callback/verify", nil); got["ok"] != true {
		t.Errorf("verify: %v", got)
	}
	for field, body := range map[string]tree{"url": {"url": "x", "token": "t"}, "token": {"url": "http://a/"},
		"encoding_aes_key": {"url": "http://a/", "token": "t", "mode": "safe"}, "mode": {"url": "http://a/", "token": "t", "mode": "x"}} {
		if got := r.do("PUT", "/_sim/callback", body); got.text("field") != field {
			t.Errorf("%s: %v", field, got)
		}
	}
	r.do("PUT", "/_sim/callback", tree{"url": r.server.URL + "/cgi-bin/token", "token": "t"})
	if got := r.post("/_sim/callback/verify", nil); got["ok"] != false {
		t.Errorf("verify elsewhere: %v", got)
	}
}
