package wechatsim_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/wechatsim"
	"github.com/addcard/addcard/internal/wechatsim/push"
)

func TestPush_PlainIsSignedOverTokenTimestampNonce(t *testing.T) {
	t.Parallel()
	r, in := pushRig(t, wechatsim.Assumptions{}, nil)
	r.sim.Advance(5 * time.Hour)
	id := r.create(nil, nil)
	r.waitEvents()
	r.mustAdd("ann", id, tree{"code": "A1", "outer_str": "mp_home"})
	r.waitEvents()
	ann, _ := r.sim.Person("ann")
	pushes := in.pushes()
	l := pushes[len(pushes)-1]
	q := l.query
	if q.Get("signature") != sign(pushToken, q.Get("timestamp"), q.Get("nonce")) || q.Get("openid") != ann.OpenID ||
		q.Get("tenant") != "1" || q.Has("msg_signature") {
		t.Errorf("query %v", q)
	}
	if stamp, _ := strconv.ParseInt(q.Get("timestamp"), 10, 64); time.Since(time.Unix(stamp, 0)).Abs() > time.Minute {
		t.Errorf("timestamp %d is not real time", stamp)
	}
	if created, _ := strconv.ParseInt(l.text("CreateTime"), 10, 64); r.sim.Now().Sub(time.Unix(created, 0)).Abs() > time.Minute {
		t.Errorf("CreateTime %d is not WeChat's", created)
	}
	for name, want := range map[string]string{"ToUserName": r.a.Official.OriginalID, "FromUserName": ann.OpenID, "MsgType": "event",
		"Event": "user_get_card", "CardId": id, "UserCardCode": "A1", "OuterStr": "mp_home", "IsRestoreMemberCard": "0",
		"IsGiveByFriend": "0", "UnionId": ann.UnionID, "OldUserCardCode": "", "FriendUserName": "", "OuterId": "0", "IsRecommendByFriend": "0"} {
		if got, there := l.element(name); !there || got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if !strings.Contains(l.body, "<CardId><![CDATA["+id+"]]></CardId><IsGiveByFriend>0</IsGiveByFriend>") {
		t.Errorf("body %s", l.body)
	}
}

func TestPush_SealedModes(t *testing.T) {
	t.Parallel()
	for mode, clear := range map[string]bool{push.ModeSafe: false, push.ModeCompat: true} {
		in := newInbox(t, nil)
		r := newRig(t, wechatsim.Options{})
		if got := r.do("PUT", "/_sim/callback", tree{"url": in.URL, "token": pushToken, "encoding_aes_key": pushKey,
			"mode": mode}); got.text("url") != in.URL {
			t.Fatal(got)
		}
		id := r.create(nil, nil)
		r.waitEvents()
		r.mustAdd("ann", id, tree{"code": "A1"})
		r.waitEvents()
		l := in.pushes()[1]
		sealed := l.text("Encrypt")
		q := l.query
		if q.Get("encrypt_type") != "aes" || q.Get("msg_signature") != sign(pushToken, q.Get("timestamp"), q.Get("nonce"), sealed) ||
			q.Get("signature") != sign(pushToken, q.Get("timestamp"), q.Get("nonce")) {
			t.Errorf("%s: query %v", mode, q)
		}
		if _, there := l.element("Event"); there != clear {
			t.Errorf("%s: body %s", mode, l.body)
		}
		message, appID := openEnvelope(t, sealed, pushKey)
		if inner := (received{body: message}); appID != r.a.Official.AppID || inner.text("UserCardCode") != "A1" ||
			inner.text("Event") != "user_get_card" {
			t.Errorf("%s: %s for %s", mode, message, appID)
		}
	}
}

func TestPush_AnotherAccountSealsForAnotherApp(t *testing.T) {
	t.Parallel()
	in := newInbox(t, nil)
	r := newRig(t, wechatsim.Options{Callback: push.Callback{URL: in.URL, Token: pushToken, EncodingAESKey: pushKey, AppID: "wxother"}})
	r.create(nil, nil)
	r.waitEvents()
	if _, appID := openEnvelope(t, in.pushes()[0].text("Encrypt"), pushKey); appID != "wxother" {
		t.Errorf("sealed for %s", appID)
	}
}

func TestPush_ThreeTriesUntilSuccessOrEmpty(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer func(n int, w http.ResponseWriter)
		tries  int
		state  string
	}{
		"success":       {nil, 1, "delivered"},
		"empty":         {func(int, http.ResponseWriter) {}, 1, "delivered"},
		"500 once":      {func(n int, w http.ResponseWriter) { w.WriteHeader(map[bool]int{true: 500, false: 200}[n == 0]) }, 2, "delivered"},
		"another word":  {func(_ int, w http.ResponseWriter) { fmt.Fprint(w, "ok") }, 3, "failed"},
		"always 500":    {func(_ int, w http.ResponseWriter) { w.WriteHeader(500) }, 3, "failed"},
		"redirect":      {func(_ int, w http.ResponseWriter) { w.Header().Set("Location", "/x"); w.WriteHeader(302) }, 3, "failed"},
		"no connection": {func(int, http.ResponseWriter) { panic(http.ErrAbortHandler) }, 3, "failed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := newInbox(t, c.answer)
			r := newRig(t, wechatsim.Options{PushTimeout: 500 * time.Millisecond, Callback: push.Callback{URL: in.URL, Token: pushToken}})
			r.create(nil, nil)
			r.waitEvents()
			d := r.sim.Deliveries()[0]
			if len(d.Tries) != c.tries || d.State != c.state || len(in.pushes()) != c.tries {
				t.Errorf("%d tries, %d seen, %s: %+v", len(d.Tries), len(in.pushes()), d.State, d)
			}
		})
	}
}

func TestPush_GivesUpATryAfterTheTimeout(t *testing.T) {
	t.Parallel()
	free := make(chan struct{})
	t.Cleanup(func() { close(free) })
	in := newInbox(t, func(n int, w http.ResponseWriter) {
		if n == 0 {
			<-free
		}
	})
	r := newRig(t, wechatsim.Options{PushTimeout: 200 * time.Millisecond, Callback: push.Callback{URL: in.URL, Token: pushToken}})
	t.Cleanup(func() { r.sim.Close() })
	r.create(nil, nil)
	r.waitEvents()
	if d := r.sim.Deliveries()[0]; d.State != "delivered" || len(d.Tries) != 2 || d.Tries[0].Outcome != "timeout" {
		t.Errorf("%+v", d)
	}
	free <- struct{}{}
}

func TestPush_RetryRepeatsOrRenewsTheSignature(t *testing.T) {
	t.Parallel()
	for assumed, same := range map[string]bool{"same": true, "fresh": false} {
		in := newInbox(t, func(n int, w http.ResponseWriter) { w.WriteHeader(map[bool]int{true: 500, false: 200}[n == 0]) })
		r := newRig(t, wechatsim.Options{PushTimeout: 100 * time.Millisecond, Assumptions: wechatsim.Assumptions{PushRetry: assumed},
			Callback: push.Callback{URL: in.URL, Token: pushToken, EncodingAESKey: pushKey}})
		r.create(nil, nil)
		r.waitEvents()
		l := in.pushes()
		if len(l) != 2 || (l[0].query.Encode() == l[1].query.Encode()) != same || (l[0].body == l[1].body) != same {
			t.Errorf("%s: %v", assumed, l)
		}
	}
}

func TestPush_SpacedXML(t *testing.T) {
	t.Parallel()
	r, in := pushRig(t, wechatsim.Assumptions{PushXML: "spaced"}, nil)
	r.create(nil, nil)
	r.waitEvents()
	l := in.pushes()[0]
	if !strings.Contains(l.body, "\n<Event> <![CDATA[card_pass_check]]> </Event>") || l.text("Event") != "card_pass_check" {
		t.Errorf("body %s", l.body)
	}
}

func TestClose_GivesUpPushesUnderWay(t *testing.T) {
	t.Parallel()
	held := make(chan struct{})
	in := newInbox(t, func(int, http.ResponseWriter) { <-held })
	t.Cleanup(func() { close(held) })
	r := newRig(t, wechatsim.Options{Callback: push.Callback{URL: in.URL, Token: pushToken}})
	r.create(nil, nil)
	if err := r.sim.AddEventFault(push.Fault{Event: "*", LateSeconds: 3000}); err != nil {
		t.Fatal(err)
	}
	r.create(nil, nil)
	r.await(func() bool { return len(in.pushes()) == 1 })
	start := time.Now()
	r.sim.Close()
	if took := time.Since(start); took > 3*time.Second {
		t.Errorf("Close took %v", took)
	}
	r.create(nil, nil)
	if d := r.sim.Deliveries(); d[len(d)-1].State != "unsent" {
		t.Errorf("after Close: %+v", d)
	}
}
