package wechatsim

import (
	"strings"
	"time"
)

const tokenLife = 7200 * time.Second

// forcedGap is the shortest time in seconds between two forced refreshes ("Get
// stable access token"); an earlier one does not refresh.
const forcedGap = 30

// accessToken is one access_token with what ends it.
type accessToken struct {
	value    string
	account  *account
	until    time.Time
	killed   int // the errcode it gets since it was ended early; 0: it was not
	replaced bool
}

func (t *accessToken) valid(now time.Time) bool {
	return t != nil && t.killed == 0 && now.Before(t.until)
}

// findToken returns the valid token of that value, or why there is none.
func (s *Sim) findToken(value string, now time.Time) (*accessToken, error) {
	if value == "" {
		return nil, refuse(41001, "no access_token in the query")
	}
	if strings.Trim(value, urlSafe) != "" {
		return nil, refuse(40014, "the access_token holds foreign characters")
	}
	t := s.tokens.items[value]
	switch {
	case t == nil:
		return nil, refuse(40001, "no such access_token")
	case t.killed != 0:
		return nil, refuse(t.killed, "the access_token was killed")
	case !now.Before(t.until) && t.replaced:
		return nil, refuse(40001, "the access_token was replaced and its overlap is over")
	case !now.Before(t.until):
		return nil, refuse(42001, "the access_token expired")
	}
	return t, nil
}

func (s *Sim) newToken(a *account, now time.Time) *accessToken {
	// WeChat advises to store 512 characters.
	t := &accessToken{value: MarkAccessToken + s.randomString(urlSafe, 512-len(MarkAccessToken)), account: a, until: now.Add(tokenLife)}
	s.tokens.put(t.value, t)
	return t
}

// overlap is how long a token works beside its successor.
func (s *Sim) overlap() time.Duration {
	return time.Duration(number(s.assumptions.TokenOverlap)) * time.Second
}

// stableToken is POST /cgi-bin/stable_token ("Get stable access token").
func (s *Sim) stableToken(c *call) (object, error) {
	appID, secret, grantType := c.body.text("appid"), c.body.text("secret"), c.body.text("grant_type")
	force := c.body.boolean("force_refresh")
	if err := c.body.err(); err != nil {
		return nil, err
	}
	a, err := s.authenticate(c, "/cgi-bin/stable_token", appID, secret, grantType)
	if err != nil {
		return nil, err
	}
	if force {
		err = s.forceRefresh(a, c.now)
	} else if !a.stable.valid(c.now.Add(s.overlap())) {
		a.stable = s.newToken(a, c.now) // the old one works until its own end: the overlap
	}
	if err != nil {
		return nil, err
	}
	return tokenAnswer(a.stable, c.now), nil
}

func (s *Sim) forceRefresh(a *account, now time.Time) error {
	if a.stable.valid(now) && now.Unix()-a.lastForced < forcedGap {
		return nil
	}
	if err := s.countCall(a, "/cgi-bin/stable_token#force", now); err != nil {
		return err
	}
	if a.stable.valid(now) {
		a.stable.killed = 40001
	}
	a.stable, a.lastForced = s.newToken(a, now), now.Unix()
	return nil
}

// legacyToken is GET /cgi-bin/token ("Get access token"): each call makes a new
// token and ends the earlier one after the overlap.
func (s *Sim) legacyToken(c *call) (object, error) {
	a, err := s.authenticate(c, "/cgi-bin/token", c.query.Get("appid"), c.query.Get("secret"), c.query.Get("grant_type"))
	if err != nil {
		return nil, err
	}
	if old, end := a.legacy, c.now.Add(s.overlap()); old.valid(end) {
		old.until, old.replaced = end, true
	}
	a.legacy = s.newToken(a, c.now)
	return tokenAnswer(a.legacy, c.now), nil
}

func tokenAnswer(t *accessToken, now time.Time) object {
	return object{"access_token": t.value, "expires_in": int(t.until.Sub(now).Seconds())}
}

// authenticate returns the account of the credentials and counts the call.
func (s *Sim) authenticate(c *call, path, appID, secret, grantType string) (*account, error) {
	if grantType != "client_credential" {
		return nil, refuse(40002, "grant_type is not client_credential")
	}
	a, err := s.accountFor(appID, secret)
	if err != nil {
		return nil, err
	}
	c.account = a
	if err := s.admitIP(c); err != nil {
		return nil, err
	}
	return a, s.countCall(a, path, c.now)
}

// accountFor returns the account of an AppID with its secret.
func (s *Sim) accountFor(appID, secret string) (*account, error) {
	switch a := map[string]*account{s.mini.AppID: s.mini, s.official.AppID: s.official}[appID]; {
	case appID == "":
		return nil, refuse(41002, "no appid")
	case secret == "":
		return nil, refuse(41004, "no secret")
	case a == nil:
		return nil, refuse(40013, "no account has appid %s", appID)
	case a.Secret != secret:
		return nil, refuse(number(s.assumptions.WrongSecret), "wrong secret for the %s %s", a.kind, a.AppID)
	default:
		return a, nil
	}
}
