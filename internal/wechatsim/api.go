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

// object is a JSON object of an answer.
type object map[string]any

// endpoint is one path of api.weixin.qq.com.
type endpoint struct {
	path   string
	method string
	token  bool // needs an access_token
	file   bool // takes a form with a file instead of JSON
	serve  func(*Sim, *call) (object, error)
}

// call is one request to an endpoint. Its fields are set as its checks succeed.
type call struct {
	now     time.Time
	query   url.Values
	ip      string
	account *account // the owner of its access_token
	body    fields

	contentType string
	file        []byte // the raw body of an endpoint that takes a file
}

// findCard returns the card that a request names.
func (s *Sim) findCard(b fields) (*card, error) {
	id := b.text("card_id")
	if err := b.err(); err != nil {
		return nil, err
	}
	if id == "" {
		return nil, refuse(41012, "no card_id")
	}
	c := s.cards[id]
	if c == nil {
		return nil, refuse(40073, "no such card")
	}
	return c, nil
}

// endpoints returns what is imitated of api.weixin.qq.com.
func endpoints() []endpoint {
	post := func(path string, serve func(*Sim, *call) (object, error)) endpoint {
		return endpoint{path: path, method: http.MethodPost, token: true, serve: serve}
	}
	onCard := func(path string, serve func(*Sim, *call, *card) (object, error)) endpoint {
		return post(path, func(s *Sim, c *call) (object, error) {
			found, err := s.findCard(c.body)
			if err != nil {
				return nil, err
			}
			return serve(s, c, found)
		})
	}
	return []endpoint{
		{path: "/cgi-bin/stable_token", method: http.MethodPost, serve: (*Sim).stableToken},
		{path: "/cgi-bin/token", method: http.MethodGet, serve: (*Sim).legacyToken},
		{path: "/cgi-bin/ticket/getticket", method: http.MethodGet, token: true, serve: (*Sim).getTicket},
		{path: "/sns/jscode2session", method: http.MethodGet, serve: (*Sim).code2Session},
		{path: pathPageToken, method: http.MethodGet, serve: (*Sim).pageToken},
		post(pathPhoneNumber, (*Sim).getPhoneNumber),
		{path: "/cgi-bin/openapi/quota/get", method: http.MethodPost, token: true, serve: (*Sim).getQuota},
		post("/card/create", (*Sim).createCard),
		onCard("/card/get", (*Sim).getCard),
		post("/card/batchget", (*Sim).batchGet),
		onCard("/card/update", (*Sim).updateCard),
		onCard("/card/delete", (*Sim).deleteCard),
		onCard("/card/modifystock", (*Sim).modifyStock),
		post("/card/testwhitelist/set", (*Sim).setTestWhitelist),
		onCard("/card/code/deposit", (*Sim).depositCodes),
		onCard("/card/code/getdepositcount", (*Sim).depositCount),
		onCard("/card/code/checkcode", (*Sim).checkCodes),
		post("/card/code/decrypt", (*Sim).decryptCode),
		post("/card/code/get", (*Sim).getCode),
		post("/card/code/unavailable", (*Sim).makeUnavailable),
		post("/card/user/getcardlist", (*Sim).getCardList),
		post("/card/qrcode/create", (*Sim).createQRCode),
		post("/card/landingpage/create", (*Sim).createShelf),
		{path: "/cgi-bin/media/uploadimg", method: http.MethodPost, token: true, file: true, serve: (*Sim).uploadImage},
		onCard("/card/membercard/activateuserform/set", (*Sim).setActivationForm),
		onCard("/card/membercard/activate/geturl", (*Sim).getActivateURL),
		post("/card/membercard/activatetempinfo/get", (*Sim).getTempInfo),
		post("/card/membercard/activate", (*Sim).activate),
		post("/card/membercard/userinfo/get", (*Sim).userInfo),
		post("/card/membercard/updateuser", (*Sim).updateUser),
	}
}

// answer is the HTTP answer to a call.
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
		s.pause(r, f.delay(false))
		var a answer
		if f.preventsEffect() {
			a = answer{outcome: "fault"}
		} else {
			a = s.handle(ep, r, body)
		}
		s.pause(r, f.delay(true))
		a = f.apply(a, ep.path, s)
		s.calls.count(ep.path, a.outcome)
		f.write(w, a, s.Now())
	}
}

// pause blocks for d of real time, or until the client hangs up or the Sim closes.
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

// handle serves one call. It encodes the answer while it holds s.mu.
func (s *Sim) handle(ep endpoint, r *http.Request, body []byte) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	ip, _, _ := net.SplitHostPort(r.RemoteAddr)
	c := &call{now: s.Now(), query: r.URL.Query(), ip: ip, contentType: r.Header.Get("Content-Type")}
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

// admit makes the checks that all calls have in common.
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
	} else if ep.method == http.MethodPost {
		return s.admitBody(c, body)
	}
	return nil
}

func (s *Sim) admitToken(ep endpoint, c *call) error {
	t, err := s.findToken(c.query.Get("access_token"), c.now)
	if err != nil {
		return err
	}
	c.account = t.account
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

// admitIP applies the IP whitelist to calls for the Official Account; a
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
	if unicodeEscape.Match(body) {
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

// refusalAnswer writes the errcode as WeChat does for the path, and logs why. It
// needs s.mu.
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

// errorBody returns the body of a refusal; it has a random suffix. It needs s.mu.
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

// contentTypeOf returns WeChat's own label: "encoding", not "charset", and plain
// text for the oldest calls.
func contentTypeOf(path string) string {
	if strings.HasPrefix(path, "/sns/") {
		return "text/plain"
	}
	return "application/json; encoding=utf-8"
}

// success adds errcode 0 to the answer of a call; out may be nil.
func success(out object) object {
	if out == nil {
		out = object{}
	}
	out["errcode"], out["errmsg"] = 0, "ok"
	return out
}
