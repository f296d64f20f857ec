package wechatsim

import "time"

// quota bounds one call per account; 0 means no bound.
type quota struct {
	PerMinute int `json:"per_minute"`
	PerDay    int `json:"per_day"`
}

// defaultQuotas returns those of "API call limits" and "Get stable access token".
func defaultQuotas(g Assumptions) map[string]quota {
	return map[string]quota{
		"/cgi-bin/token":              {PerDay: 2000},
		"/cgi-bin/stable_token":       {PerMinute: 10_000, PerDay: 500_000},
		"/cgi-bin/stable_token#force": {PerDay: 20},
		"/cgi-bin/ticket/getticket":   {PerDay: number(g.TicketQuota)},
		"/sns/jscode2session#user":    {PerMinute: 100},
	}
}

// meter counts one call in the present minute and the present Beijing day.
type meter struct {
	minute, day     int64
	inMinute, inDay int
}

func (m *meter) tick(now time.Time) {
	const beijing = 8 * 3600
	if minute := now.Unix() / 60; minute != m.minute {
		m.minute, m.inMinute = minute, 0
	}
	if day := (now.Unix() + beijing) / 86400; day != m.day {
		m.day, m.inDay = day, 0
	}
	m.inMinute++
	m.inDay++
}

// countCall counts one call against the account's quota of that name.
func (s *Sim) countCall(a *account, name string, now time.Time) error {
	m := a.meters[name]
	if m == nil {
		m = &meter{}
		a.meters[name] = m
	}
	return s.countOn(m, name, now)
}

func (s *Sim) countOn(m *meter, name string, now time.Time) error {
	m.tick(now)
	switch q := s.quotas[name]; {
	case q.PerDay > 0 && m.inDay > q.PerDay:
		return refuse(45009, "%s: more than %d in a day", name, q.PerDay)
	case q.PerMinute > 0 && m.inMinute > q.PerMinute:
		return refuse(45011, "%s: more than %d in a minute", name, q.PerMinute)
	}
	return nil
}

// getQuota is POST /cgi-bin/openapi/quota/get ("Query API quota").
func (s *Sim) getQuota(c *call) (object, error) {
	path := c.body.text("cgi_path")
	if err := c.body.err(); err != nil {
		return nil, err
	}
	limit := s.quotas[path].PerDay
	if limit == 0 {
		return nil, refuse(76021, "%s has no quota", path)
	}
	used := 0
	if m := c.account.meters[path]; m != nil {
		used = m.inDay
	}
	return success(object{"quota": object{"daily_limit": limit, "used": used, "remain": max(0, limit-used)}}), nil
}
