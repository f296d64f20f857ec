package wechatsim

import (
	"encoding/base64"
	"time"
)

// loginCodeLife is how long a wx.login code can be exchanged ("code2Session").
const loginCodeLife = 5 * time.Minute

// login is one code of wx.login, or of a web page.
type login struct {
	person     *person
	appID      string
	at         time.Time
	used       bool
	onPage     bool
	sessionKey string // or the user's access_token
}

// Login calls wx.login on the phone of user and returns the code for the
// mini-program. A user begins to exist when first named.
func (s *Sim) Login(user string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := s.person(user)
	if err != nil {
		return "", err
	}
	return s.newLoginCode(p, s.mini.AppID), nil
}

func (s *Sim) newLoginCode(p *person, appID string) string {
	code := MarkLoginCode + s.randomString(alphanumeric, 25)
	s.logins.put(code, &login{person: p, appID: appID, at: s.Now()})
	return code
}

// code2Session is GET /sns/jscode2session ("code2Session").
func (s *Sim) code2Session(c *call) (object, error) {
	if c.query.Get("grant_type") != "authorization_code" {
		return nil, refuse(40002, "grant_type is not authorization_code")
	}
	a, err := s.accountFor(c.query.Get("appid"), c.query.Get("secret"))
	if err != nil {
		return nil, err
	}
	if a != s.mini {
		return nil, refuse(40013, "code2Session wants the mini-program's appid")
	}
	if err := s.countCall(a, "/sns/jscode2session", c.now); err != nil {
		return nil, err
	}
	l, err := s.redeem(c, c.query.Get("js_code"), s.mini.AppID, false)
	if err != nil {
		return nil, err
	}
	return s.sessionAnswer(l), nil
}

// redeem uses up the code, even if the user is then refused.
func (s *Sim) redeem(c *call, code, appID string, onPage bool) (*login, error) {
	l := s.logins.items[code]
	switch {
	case code == "":
		return nil, refuse(41008, "no code")
	case l == nil:
		return nil, refuse(40029, "no such code")
	case l.appID != appID || l.onPage != onPage:
		return nil, refuse(40029, "the code is of another app")
	case l.used:
		return nil, refuse(40163, "the code was used before")
	case c.now.Sub(l.at) >= loginCodeLife:
		return nil, refuse(40029, "the code is older than 5 minutes")
	}
	if err := s.countOn(&l.person.logins, "/sns/jscode2session#user", c.now); err != nil {
		return nil, err
	}
	l.used = true
	if l.person.blocked {
		return nil, refuse(40226, "the user is blocked")
	}
	return l, nil
}

func (s *Sim) sessionAnswer(l *login) object {
	l.sessionKey = base64.StdEncoding.EncodeToString([]byte("simkey" + s.randomString(urlSafe, 10))) // MarkSessionKey
	out := object{"openid": l.person.miniOpenID, "session_key": l.sessionKey}
	if s.bound {
		out["unionid"] = s.unionIDIn("logins", l.person)
	}
	return out
}
