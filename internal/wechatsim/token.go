package wechatsim

import (
	"strings"
	"time"
)

const tokenLife = 7200 * time.Second

// forcedGap is the least time between two forced refreshes ("Get stable access
// token"); a closer one does not refresh.
const forcedGap = 30

// grant is one access_token.
type grant struct {
	value   string
	account *account
	until   time.Time
	dead    int // errcode once it was killed; 0 while it lives
	old     bool
}

func (g *grant) usable(now time.Time) bool {
	return g != nil && g.dead == 0 && now.Before(g.until)
}

// grantOf finds the token a call carries.
func (s *Sim) grantOf(value string, now time.Time) (*grant, error) {
	if value == "" {
		return nil, refuse(41001, "no access_token in the query")
	}
	if strings.Trim(value, urlSafe) != "" {
		return nil, refuse(40014, "the access_token holds foreign characters")
	}
	g := s.grants.items[value]
	switch {
	case g == nil:
		return nil, refuse(40001, "no such access_token")
	case g.dead != 0:
		return nil, refuse(g.dead, "the access_token was killed")
	case !now.Before(g.until) && g.old:
		return nil, refuse(40001, "the access_token was replaced and its overlap is over")
	case !now.Before(g.until):
		return nil, refuse(42001, "the access_token expired")
	}
	return g, nil
}

func (s *Sim) mint(a *account, now time.Time) *grant {
	// WeChat asks to plan for 512 characters.
	g := &grant{value: MarkAccessToken + s.pick(urlSafe, 512-len(MarkAccessToken)), account: a, until: now.Add(tokenLife)}
	s.grants.put(g.value, g)
	return g
}

func (s *Sim) overlap() time.Duration {
	return time.Duration(number(s.guesses.TokenOverlap)) * time.Second
}

// stableToken is POST /cgi-bin/stable_token ("Get stable access token").
func (s *Sim) stableToken(c *call) (object, error) {
	appID, secret, grantType := c.body.text("appid"), c.body.text("secret"), c.body.text("grant_type")
	force := c.body.truth("force_refresh")
	if c.body.root.err != nil {
		return nil, c.body.root.err
	}
	a, err := s.authenticate(c, appID, secret, grantType)
	if err != nil {
		return nil, err
	}
	if err := s.spend(a, "/cgi-bin/stable_token", c.now); err != nil {
		return nil, err
	}
	if force {
		err = s.forceRefresh(a, c.now)
	} else if !a.stable.usable(c.now.Add(s.overlap())) {
		a.stable = s.mint(a, c.now) // the old one lives on to its own end: the overlap
	}
	if err != nil {
		return nil, err
	}
	return tokenAnswer(a.stable, c.now), nil
}

func (s *Sim) forceRefresh(a *account, now time.Time) error {
	if a.stable.usable(now) && now.Unix()-a.forcedUnix < forcedGap {
		return nil
	}
	if err := s.spend(a, "/cgi-bin/stable_token#force", now); err != nil {
		return err
	}
	if a.stable.usable(now) {
		a.stable.dead = 40001
	}
	a.stable, a.forcedUnix = s.mint(a, now), now.Unix()
	return nil
}

// legacyToken is GET /cgi-bin/token ("Get access token"): each call makes a new
// token and ends the earlier one after the overlap.
func (s *Sim) legacyToken(c *call) (object, error) {
	a, err := s.authenticate(c, c.query.Get("appid"), c.query.Get("secret"), c.query.Get("grant_type"))
	if err != nil {
		return nil, err
	}
	if err := s.spend(a, "/cgi-bin/token", c.now); err != nil {
		return nil, err
	}
	if old, end := a.legacy, c.now.Add(s.overlap()); old.usable(end) {
		old.until, old.old = end, true
	}
	a.legacy = s.mint(a, c.now)
	return tokenAnswer(a.legacy, c.now), nil
}

func tokenAnswer(g *grant, now time.Time) object {
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
		return nil, refuse(number(s.guesses.WrongSecret), "wrong secret for the %s", a)
	default:
		return a, nil
	}
}
