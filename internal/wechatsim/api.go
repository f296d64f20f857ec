package wechatsim

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

const maxBody = 4 << 20 // larger than anything WeChat takes here

// object is a JSON object on its way out.
type object map[string]any

// endpoint is one path of api.weixin.qq.com.
type endpoint struct {
	path   string
	method string
	token  bool // wants an access_token
	file   bool // takes a form with a file instead of JSON
	serve  func(*Sim, *call) (object, error)
}

// call is one request to an endpoint, admitted as far as its fields are filled.
type call struct {
	now     time.Time
	query   url.Values
	ip      string
	account *account // whose access_token it carries
	body    fields

	contentType string
	file        []byte // the body as it came, where a file is wanted
}

// endpoints lists what is imitated of api.weixin.qq.com.
func endpoints() []endpoint {
	card := func(path string, serve func(*Sim, *call) (object, error)) endpoint {
		return endpoint{path: path, method: http.MethodPost, token: true, serve: serve}
	}
	return []endpoint{
		{path: "/cgi-bin/stable_token", method: http.MethodPost, serve: (*Sim).stableToken},
		{path: "/cgi-bin/token", method: http.MethodGet, serve: (*Sim).legacyToken},
		{path: "/cgi-bin/ticket/getticket", method: http.MethodGet, token: true, serve: (*Sim).getTicket},
		{path: "/sns/jscode2session", method: http.MethodGet, serve: (*Sim).code2Session},
		{path: "/cgi-bin/openapi/quota/get", method: http.MethodPost, token: true, serve: (*Sim).getQuota},
		card("/card/create", (*Sim).createCard),
		card("/card/get", (*Sim).getCard),
		card("/card/batchget", (*Sim).batchGet),
		card("/card/update", (*Sim).updateCard),
		card("/card/delete", (*Sim).deleteCard),
		card("/card/modifystock", (*Sim).modifyStock),
		card("/card/testwhitelist/set", (*Sim).setTestWhitelist),
		card("/card/code/deposit", (*Sim).depositCodes),
		card("/card/code/getdepositcount", (*Sim).depositCount),
		card("/card/code/checkcode", (*Sim).checkCodes),
		card("/card/code/decrypt", (*Sim).decryptCode),
		card("/card/code/get", (*Sim).getCode),
		card("/card/code/unavailable", (*Sim).makeUnavailable),
		card("/card/user/getcardlist", (*Sim).getCardList),
		card("/card/qrcode/create", (*Sim).createQRCode),
		card("/card/landingpage/create", (*Sim).createShelf),
		{path: "/cgi-bin/media/uploadimg", method: http.MethodPost, token: true, file: true, serve: (*Sim).uploadImage},
		card("/card/membercard/activateuserform/set", (*Sim).setActivationForm),
		card("/card/membercard/activate/geturl", (*Sim).getActivateURL),
		card("/card/membercard/activatetempinfo/get", (*Sim).getTempInfo),
		card("/card/membercard/activate", (*Sim).activate),
		card("/card/membercard/userinfo/get", (*Sim).userInfo),
		card("/card/membercard/updateuser", (*Sim).updateUser),
	}
}

// answer is what goes back over the wire.
type answer struct {
	status      int
	contentType string
	body        []byte
	outcome     string // errcode, or what a fault did
}

func (s *Sim) serveAPI(ep endpoint) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		f := s.faults.next(ep.path, r.RemoteAddr)
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if err != nil {
			s.calls.count(ep.path, "unreadable")
			http.Error(w, "", http.StatusBadRequest)
			return
		}
		s.pause(r, f.delayBefore())
		var a answer
		if f.preventsEffect() {
			a = answer{outcome: "fault"}
		} else {
			a = s.handle(ep, r, body)
		}
		s.pause(r, f.delayAfter())
		a = f.apply(a, ep.path, s)
		s.calls.count(ep.path, a.outcome)
		f.write(w, a, s.Now())
	}
}

// pause passes d of real time, less if the client hangs up or the Sim closes.
func (s *Sim) pause(r *http.Request, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.Context().Done():
	case <-s.closed:
	}
}

// handle serves one call and encodes the answer while the state cannot change.
func (s *Sim) handle(ep endpoint, r *http.Request, body []byte) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &call{now: s.Now(), query: r.URL.Query(), ip: hostOf(r.RemoteAddr), contentType: r.Header.Get("Content-Type")}
	err := s.admit(ep, c, r.Method, body)
	var out object
	if err == nil {
		out, err = ep.serve(s, c)
	}
	if err != nil {
		return s.refusalAnswer(ep.path, err)
	}
	return answer{status: http.StatusOK, contentType: contentTypeOf(ep.path), body: writeJSON(out), outcome: "0"}
}

// admit checks what WeChat's gateway checks before the call proper.
func (s *Sim) admit(ep endpoint, c *call, method string, body []byte) error {
	if method != ep.method {
		return refuse(map[string]int{http.MethodPost: 43002, http.MethodGet: 43001}[ep.method], "%s needs %s", ep.path, ep.method)
	}
	if ep.token {
		if err := s.admitToken(ep, c); err != nil {
			return err
		}
	}
	if ep.file {
		c.file = body
		return nil
	}
	if ep.method == http.MethodPost {
		return s.admitBody(c, body)
	}
	return nil
}

func (s *Sim) admitToken(ep endpoint, c *call) error {
	g, err := s.findToken(c.query.Get("access_token"), c.now)
	if err != nil {
		return err
	}
	c.account = g.account
	if err := s.admitIP(c); err != nil {
		return err
	}
	if strings.HasPrefix(ep.path, "/card/") {
		if c.account.kind != "official" {
			return refuse(48001, "the token is the mini-program's; cards are the Official Account's")
		}
		if s.assumptions.CardPermission == "denied" {
			return refuse(48001, "the account has no card permission (guess card_permission)")
		}
	}
	return s.countCall(c.account, ep.path, c.now)
}

// admitIP holds the IP whitelist against calls for the Official Account; a
// mini-program needs none ("Get access token").
func (s *Sim) admitIP(c *call) error {
	if c.account.kind != "official" || len(s.ipWhitelist) == 0 || slices.Contains(s.ipWhitelist, c.ip) {
		return nil
	}
	r := refuse(40164, "%s is not on the IP whitelist", c.ip)
	r.text = fmt.Sprintf("invalid ip %s ipv6 ::ffff:%s, not in whitelist", c.ip, c.ip)
	return r
}

func (s *Sim) admitBody(c *call, body []byte) error {
	if len(body) == 0 {
		return refuse(44002, "empty body")
	}
	if hasUnicodeEscape(body) {
		return refuse(number(s.assumptions.UnicodeEscape), "the body has a \\u escape")
	}
	tree, err := parseJSON(body)
	if err != nil {
		return refuse(47001, "the body is %v", err)
	}
	root, ok := tree.(map[string]any)
	if !ok {
		return refuse(47001, "the body is no JSON object")
	}
	c.body = fields{root, &readState{allowFractions: s.assumptions.FractionalNumber == "accept"}}
	return nil
}

// refusalAnswer writes an errcode the way that family of calls writes it.
func (s *Sim) refusalAnswer(path string, err error) answer {
	var r *refusal
	if !errors.As(err, &r) {
		r = refuse(-1, "%v", err)
	}
	s.calls.addRefusal(path, r, s.Now())
	s.log.Info("wechatsim: refused", "path", path, "errcode", r.code, "why", r.why)
	return answer{status: http.StatusOK, contentType: contentTypeOf(path),
		body: s.errorBody(path, r.code, r.text), outcome: fmt.Sprint(r.code)}
}

// errorBody needs s.mu for its random suffix.
func (s *Sim) errorBody(path string, code int, text string) []byte {
	switch {
	case strings.HasPrefix(path, "/card/"):
		hint := s.randomString(alphanumeric[10:], 6) + s.randomString(digits, 8)
		return fmt.Appendf(nil, `{ "errcode": %d, "errmsg": %s}`, code, writeJSON(text+" hint: ["+hint+"]"))
	case strings.HasPrefix(path, "/sns/"):
		text += ", hints: [ req_id: " + s.randomString(alphanumeric, 6) + "-" + s.randomString(alphanumeric, 6) + " ]"
	default:
		text += " rid: " + s.randomString(hexDigits, 8) + "-" + s.randomString(hexDigits, 8) + "-" + s.randomString(hexDigits, 8)
	}
	return writeJSON(struct {
		Code int    `json:"errcode"`
		Text string `json:"errmsg"`
	}{code, text})
}

// contentTypeOf is WeChat's own label: "encoding", not "charset", and plain text
// for the oldest family.
func contentTypeOf(path string) string {
	if strings.HasPrefix(path, "/sns/") {
		return "text/plain"
	}
	return "application/json; encoding=utf-8"
}

func hostOf(remote string) string {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		return remote
	}
	return host
}

// done is the plain success of the card calls.
func done() object { return object{"errcode": 0, "errmsg": "ok"} }
