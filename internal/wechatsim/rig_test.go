package wechatsim_test

import (
	"bytes"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/addcard/addcard/internal/wechatsim"
)

// rig is a simulator behind a listener, with the calls that tests make of it.
type rig struct {
	t      *testing.T
	sim    *wechatsim.Sim
	server *httptest.Server
	a      wechatsim.Accounts
	nonces atomic.Int64
}

func newRig(t *testing.T, o wechatsim.Options) *rig {
	t.Helper()
	sim := wechatsim.New(o)
	server := httptest.NewServer(sim.Handler())
	t.Cleanup(func() { sim.Close(); server.Close() })
	return &rig{t: t, sim: sim, server: server, a: sim.Accounts()}
}

type reply map[string]any

func (r reply) code() int {
	n, _ := r["errcode"].(float64)
	return int(n)
}

func (r reply) text(name string) string {
	value, _ := r[name].(string)
	return value
}

func (r reply) whole(name string) int {
	value, _ := r[name].(float64)
	return int(value)
}

func (r reply) object(name string) reply {
	value, _ := r[name].(map[string]any)
	return value
}

// raw sends one request.
func (r *rig) raw(method, path, body string) (*http.Response, []byte) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, r.server.URL+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	res, err := r.server.Client().Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	out, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return res, out
}

func (r *rig) do(method, path string, body any) reply {
	r.t.Helper()
	_, out := r.raw(method, path, encode(body))
	var v reply
	if err := json.Unmarshal(out, &v); err != nil {
		r.t.Fatalf("%s %s: %v in %q", method, path, err, out)
	}
	return v
}

func encode(body any) string {
	switch body := body.(type) {
	case nil:
		return ""
	case string:
		return body
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(body); err != nil {
		panic(err)
	}
	return b.String()
}

func (r *rig) get(path string) reply            { r.t.Helper(); return r.do("GET", path, nil) }
func (r *rig) post(path string, body any) reply { r.t.Helper(); return r.do("POST", path, body) }

func (r *rig) stable(a wechatsim.Account, force bool) reply {
	r.t.Helper()
	return r.post("/cgi-bin/stable_token", map[string]any{"grant_type": "client_credential", "appid": a.AppID, "secret": a.Secret,
		"force_refresh": force})
}

func (r *rig) token() string {
	r.t.Helper()
	return r.stable(r.a.Official, false).text("access_token")
}

func (r *rig) card(path string, body any) reply {
	r.t.Helper()
	return r.post(path+"?access_token="+r.token(), body)
}

func (r *rig) ticket(kind string) string {
	r.t.Helper()
	return r.get("/cgi-bin/ticket/getticket?type=" + kind + "&access_token=" + r.token()).text("ticket")
}

func (r *rig) session(code string) reply {
	r.t.Helper()
	q := url.Values{"appid": {r.a.MiniProgram.AppID}, "secret": {r.a.MiniProgram.Secret}, "js_code": {code},
		"grant_type": {"authorization_code"}}
	return r.get("/sns/jscode2session?" + q.Encode())
}

func (r *rig) login(user string) string {
	r.t.Helper()
	return r.post("/_sim/phones/"+user+"/login", nil).text("code")
}

type tree = map[string]any

// memberCard returns a valid /card/create body with the fields given; nil removes a
// field.
func memberCard(base, member tree) tree {
	b := tree{"logo_url": "http://mmbiz.qpic.cn/logo", "brand_name": "茶店", "code_type": "CODE_TYPE_TEXT", "title": "会员卡",
		"color": "Color010", "notice": "出示此卡", "description": "须知", "sku": tree{"quantity": 100},
		"date_info": tree{"type": "DATE_TYPE_PERMANENT"}, "use_custom_code": true, "get_limit": 1, "can_share": false, "can_give_friend": false}
	m := tree{"prerogative": "九折", "supply_bonus": true, "supply_balance": true, "activate_url": "https://shop.example/activate"}
	overlay(b, base)
	m["base_info"] = b
	overlay(m, member)
	return tree{"card": tree{"card_type": "MEMBER_CARD", "member_card": m}}
}

// overlay sets the values of patch in a tree; nil removes one.
func overlay(t, patch tree) {
	maps.Copy(t, patch)
	maps.DeleteFunc(t, func(_ string, v any) bool { return v == nil })
}

// create returns the ID of a new, approved card.
func (r *rig) create(base, member tree) string {
	r.t.Helper()
	made := r.card("/card/create", memberCard(base, member))
	if made.code() != 0 {
		r.t.Fatalf("create: %v", made)
	}
	if err := r.sim.Approve(made.text("card_id")); err != nil {
		r.t.Fatal(err)
	}
	return made.text("card_id")
}

// systemCodes returns the base_info of a card with WeChat's own codes.
func systemCodes() tree { return tree{"use_custom_code": false} }

// ext returns a signed cardExt with the fields given; timestamp and nonce_str have
// defaults.
func (r *rig) ext(ticket, cardID string, fields tree) tree {
	e := tree{"timestamp": r.sim.Now().Unix(), "nonce_str": fmt.Sprintf("nonce%d", r.nonces.Add(1))}
	overlay(e, fields)
	values := []string{ticket, cardID, fmt.Sprint(e["timestamp"])}
	for _, key := range []string{"code", "openid", "nonce_str"} {
		if e[key] != nil {
			values = append(values, e[key].(string))
		}
	}
	e["signature"] = sign(values...)
	return e
}

func sign(values ...string) string {
	slices.Sort(values)
	sum := sha1.Sum([]byte(strings.Join(values, "")))
	return hex.EncodeToString(sum[:])
}

// cardList returns the argument of wx.addCard for one card.
func cardList(cardID string, ext any) tree {
	if e, ok := ext.(tree); ok {
		ext = strings.TrimSpace(encode(e))
	}
	return tree{"cardList": []any{tree{"cardId": cardID, "cardExt": ext}}}
}

func (r *rig) add(user, cardID string, ext any) reply {
	r.t.Helper()
	return r.post("/_sim/phones/"+user+"/add-card", cardList(cardID, ext))
}

// mustAdd signs a cardExt and adds the card; it fails the test if that is refused.
func (r *rig) mustAdd(user, cardID string, fields tree) reply {
	r.t.Helper()
	got := r.add(user, cardID, r.ext(r.ticket("wx_card"), cardID, fields))
	if got.text("errMsg") != "addCard:ok" {
		r.t.Fatalf("add-card: %v", got)
	}
	return got
}

// says checks the message of the phone and the cause.
func says(t *testing.T, got reply, words, cause string) {
	t.Helper()
	if got.text("errMsg") != "addCard:fail "+words || got.object("detail").text("cause") != cause {
		t.Errorf("got %v, want %s because of %s", got, words, cause)
	}
}

func wantCode(t *testing.T, got reply, code int) {
	t.Helper()
	if got.code() != code {
		t.Errorf("got %v, want errcode %d", got, code)
	}
}

func (r *rig) faces(user string) []reply {
	r.t.Helper()
	var out []reply
	for _, one := range r.get("/_sim/phones/" + user + "/cards")["cards"].([]any) {
		out = append(out, one.(tree))
	}
	return out
}
