package console_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/addcard/addcard/internal/testing/apptest"
	"github.com/addcard/addcard/internal/wechatsim"
)

// staffed returns the browser of a new person of the staff.
func staffed(t *testing.T, s *apptest.Server, role string) *browser {
	t.Helper()
	var person struct{ ID string }
	s.Operate(http.MethodPost, "/v1/staff", apptest.Object{"name": "the " + role, "role": role}).Is(t, 201).JSON(t, &person)
	b := newBrowser(t, s.Admin)
	b.send("/login", url.Values{"link": {link(t, s, person.ID)}})
	return b
}

// values returns the values of the tickets.
func values(t *testing.T, s *apptest.Server) (all []string) {
	t.Helper()
	for _, kind := range []string{"access_token", "wx_card", "jsapi"} {
		var shared struct{ Value string }
		s.Operate(http.MethodGet, "/v1/tickets/"+kind, nil).Is(t, 200).JSON(t, &shared)
		all = append(all, shared.Value)
	}
	return all
}

// hides fails the test if the page has one of the secrets.
func (p page) hides(secrets []string) page {
	p.t.Helper()
	for _, secret := range secrets {
		if strings.Contains(p.text, secret) {
			p.t.Errorf("%s has the value %s", p.url, secret)
		}
	}
	return p
}

// The page says how the tickets are and never what they are. Only the owner may have
// one replaced.
func TestTickets_ShowNoValue(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	s := w.Serve()
	secrets := values(t, s)
	owner, manager := signedIn(t, s, s.Admin), staffed(t, s, "manager")
	for _, path := range []string{"/", "/tickets", "/v1/tickets", "/v1/checks"} {
		owner.open(path).hides(secrets)
		manager.open(path).shows(200).hides(secrets)
	}
	owner.open("/tickets").shows(200, "卡券票据", "可用", "本实例", "/cgi-bin/stable_token", `action="/tickets/wx_card"`, "VALUE")
	if p := manager.open("/tickets").shows(200, "可用"); strings.Contains(p.text, `action="/tickets/`) {
		t.Error("a manager is offered what only the owner may do")
	}
	manager.send("/tickets/wx_card", url.Values{}).shows(403, "你的角色不能做这件事")
	staffed(t, s, "cashier").open("/tickets").shows(403)

	p := owner.send("/tickets/wx_card", url.Values{}).shows(200, "已作废，并换成了新的值").hides(secrets)
	if again := values(t, s); again[1] == secrets[1] || again[0] != secrets[0] {
		t.Error("rejecting one ticket replaced another, or none")
	}
	if strings.Contains(p.text, "被别的程序提前替换") || !strings.Contains(p.text, "<dt>被微信提前作废</dt><dd>0</dd>") {
		t.Error("what the owner replaced is said to be replaced by another program, or refused by WeChat")
	}
	owner.send("/tickets/wx_card", url.Values{}).shows(200, "没有更换：1 分钟内已经换过")
	owner.send("/tickets/access_token", url.Values{}).shows(200, "微信返回了同一个值") // as stable_token does
	owner.send("/tickets/session_key", url.Values{}).shows(422, "输入有误")
	owner.header.Set("Accept-Language", "en")
	owner.open("/tickets").shows(200, "Card ticket", "ready", "this replica")
}

// A ticket that WeChat refuses is shown with its error, as text, and with what mends it.
func TestTickets_SayWhatToDo(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	fault := apptest.Object{"path": "/cgi-bin/stable_token", "errcode": 40164, "errmsg": "<i>not in whitelist</i>", "times": -1}
	if got := w.Control("faults", fault); got.Status/100 != 2 {
		t.Fatalf("fault: %d %s", got.Status, got.Body)
	}
	s := w.Serve()
	b := signedIn(t, s, s.Admin)
	apptest.Eventually(t, "the page shows the error", func() bool {
		text := b.open("/tickets").text
		return strings.Contains(text, "缺失") && strings.Contains(text, "40164 &lt;i&gt;not in whitelist") && strings.Contains(text, "IP白名单")
	})
	b.open("/").shows(200, "缺失")
}
