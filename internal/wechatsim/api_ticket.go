package wechatsim

import (
	"strings"
	"time"
)

const (
	ticketLife = 7200 * time.Second
	maxTickets = 64 // kept of each kind, expired ones included, to explain a wrong signature
)

// ticket is one api_ticket (kind wx_card) or jsapi_ticket (kind jsapi).
type ticket struct {
	value string
	until time.Time
}

// getTicket is GET /cgi-bin/ticket/getticket ("Get ticket").
func (s *Sim) getTicket(c *call) (object, error) {
	kind := c.query.Get("type")
	if kind != "wx_card" && kind != "jsapi" {
		return nil, refuse(40097, "type is neither wx_card nor jsapi")
	}
	t := s.currentTicket(c.account, kind, c.now)
	left := int(t.until.Sub(c.now).Seconds())
	if s.assumptions.Ticket == "sticky-constant" {
		left = int(ticketLife.Seconds())
	}
	return object{"errcode": 0, "errmsg": "ok", "ticket": t.value, "expires_in": left}, nil
}

// currentTicket returns a new ticket or the last one, as is assumed.
func (s *Sim) currentTicket(a *account, kind string, now time.Time) *ticket {
	list := a.tickets[kind]
	if n := len(list); n > 0 && now.Before(list[n-1].until) {
		last := list[n-1]
		if strings.HasPrefix(s.assumptions.Ticket, "sticky") {
			return last
		}
		if end := now.Add(s.rotation()); end.Before(last.until) {
			last.until = end
		}
	}
	fresh := &ticket{value: MarkTicket + kind + "_" + s.randomString(urlSafe, 69), until: now.Add(ticketLife)}
	if len(list) == maxTickets {
		list = list[1:]
	}
	a.tickets[kind] = append(list, fresh)
	return fresh
}

// rotation is how long a ticket works beside its successor.
func (s *Sim) rotation() time.Duration {
	switch s.assumptions.Ticket {
	case "rotate-0":
		return 0
	case "rotate-full":
		return ticketLife
	}
	return 300 * time.Second
}
