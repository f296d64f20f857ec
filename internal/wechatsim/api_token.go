package wechatsim

import (
	"strings"
	"time"
)

const tokenLife = 7200 * time.Second

// forcedGap is the least time between two forced refreshes ("Get stable access
// token"); a closer one does not refresh.
const forcedGap = 30

// accessToken is one access_token.
type accessToken struct {
	value    string
	account  *account
	until    time.Time
	killed   int // errcode once it was killed; 0 while it lives
	replaced bool
}

func (g *accessToken) valid(now time.Time) bool {
	return g != nil && g.killed == 0 && now.Before(g.until)
}

// findToken finds the token a call carries.
func (s *Sim) findToken(value string, now time.Time) (*accessToken, error) {
	if value == "" {
		return nil, refuse(41001, "no access_token in the query")
	}
	if strings.Trim(value, urlSafe) != "" {
		return nil, refuse(40014, "the access_token holds foreign characters")
	}
	g := s.tokens.items[value]
	switch {
	case g == nil:
		return nil, refuse(40001, "no such access_token")
	case g.killed != 0:
		return nil, refuse(g.killed, "the access_token was killed")
	case !now.Before(g.until) && g.replaced:
		return nil, refuse(40001, "the access_token was replaced and its overlap is over")
	case !now.Before(g.until):
		return nil, refuse(42001, "the access_token expired")
	}
	return g, nil
}

func (s *Sim) newToken(a *account, now time.Time) *accessToken {
	// WeChat asks to plan for 512 characters.
	g := &accessToken{value: MarkAccessToken + s.randomString(urlSafe, 512-len(MarkAccessToken)), account: a, until: now.Add(tokenLife)}
	s.tokens.put(g.value, g)
	return g
}

func (s *Sim) overlap() time.Duration {
	return time.Duration(number(s.assumptions.TokenOverlap)) * time.Second
}

// stableToken is POST /cgi-bin/stable_token ("Get stable access token").
func (s *Sim) stableToken(c *call) (object, error) {
	appID, secret, grantType := c.body.text("appid"), c.body.text("secret"), c.body.text("grant_type")
	force := c.body.boolean("force_refresh")
	if c.body.state.err != nil {
		return nil, c.body.state.err
	}
	a, err := s.authenticate(c, appID, secret, grantType)
	if err != nil {
		return nil, err
	}
	if err := s.countCall(a, "/cgi-bin/stable_token", c.now); err != nil {
		return nil, err
	}
	if force {
		err = s.forceRefresh(a, c.now)
	} else if !a.stable.valid(c.now.Add(s.overlap())) {
		a.stable = s.newToken(a, c.now) // the old one lives on to its own end: the overlap
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
	a, err := s.authenticate(c, c.query.Get("appid"), c.query.Get("secret"), c.query.Get("grant_type"))
	if err != nil {
		return nil, err
	}
	if err := s.countCall(a, "/cgi-bin/token", c.now); err != nil {
		return nil, err
	}
	if old, end := a.legacy, c.now.Add(s.overlap()); old.valid(end) {
		old.until, old.replaced = end, true
	}
	a.legacy = s.newToken(a, c.now)
	return tokenAnswer(a.legacy, c.now), nil
}

func tokenAnswer(g *accessToken, now time.Time) object {
	return object{"access_token": g.value, "expires_in": int(g.until.Sub(now).Seconds())}
}

func (s *Sim) authenticate(c *call, appID, secret, grantType string) (*account, error) {
	if grantType != "client_credential" {
		return nil, refuse(40002, "grant_type is not client_credential")
	}
	a, err := s.accountFor(appID, secret)
	if err != nil {
		return nil, err
	}
	c.account = a
	return a, s.admitIP(c)
}

func (s *Sim) accountFor(appID, secret string) (*account, error) {
	switch a := s.accountByID(appID); {
	case appID == "":
		return nil, refuse(41002, "no appid")
	case secret == "":
		return nil, refuse(41004, "no secret")
	case a == nil:
		return nil, refuse(40013, "no account has appid %s", appID)
	case a.Secret != secret:
		return nil, refuse(number(s.assumptions.WrongSecret), "wrong secret for the %s", a)
	default:
		return a, nil
	}
}
