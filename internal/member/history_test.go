package member_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/addcard/addcard/internal/testing/world"
)

// history is a random history of three people, who have unionids, and how it must end.
// All that happens in it could happen at WeChat.
type history struct {
	rt      *rapid.T
	second  int
	copies  []*copyOf
	early   []step
	steps   []step
	wallet  map[string]string
	issued  map[string]string // person → code
	touched map[string]bool   // people who logged in or had a card
	// loggedIn are the people who logged in. joined are those who are one member in
	// both apps, once they are known there.
	loggedIn, joined map[string]bool
}

// copyOf is one code, and the person who has it.
type copyOf struct {
	name, owner string
	status      string
	outer       string
}

var (
	miniOf  = map[string]string{"1": "ming", "2": "hong", "3": "lei"}
	persons = []string{"1", "2", "3"}
)

func emptyHistory(rt *rapid.T) *history {
	return &history{
		rt: rt, wallet: map[string]string{}, issued: map[string]string{}, touched: map[string]bool{},
		loggedIn: map[string]bool{}, joined: map[string]bool{},
	}
}

func newHistory(rt *rapid.T) *history {
	h := emptyHistory(rt)
	for range rapid.IntRange(2, 7).Draw(rt, "happenings") {
		h.second += rapid.IntRange(0, 1).Draw(rt, "seconds later")
		who := rapid.SampledFrom(persons).Draw(rt, "who")
		rapid.SampledFrom([]func(string){h.asks, h.asks, h.scans, h.drops, h.restores, h.gives}).Draw(rt, "what")(who)
	}
	return h
}

// asks: who logs in and asks for a card; one of the people takes it.
func (h *history) asks(who string) {
	if h.issued[who] != "" {
		return
	}
	name := h.issue(who, "u"+who)
	if taker := rapid.SampledFrom(append(slices.Clone(persons), who, who)).Draw(h.rt, "taker"); taker != who {
		h.take(taker, name, "forwarded", "u"+taker)
		h.steps = append(h.steps, claim(miniOf[who], "push", name)) // a false claim, if the taker is another
		return
	}
	h.take(who, name, "home", "u"+who)
	if rapid.Bool().Draw(h.rt, "claims") {
		h.steps = append(h.steps, claim(miniOf[who], "push", name))
	}
}

// issue: who logs in and is issued a code.
func (h *history) issue(who, union string) (name string) {
	name = "c" + who
	h.issued[who], h.touched[who], h.loggedIn[who], h.joined[who] = name, true, true, true
	h.early = append(h.early, login(miniOf[who], union), issue(miniOf[who], "push", name))
	return name
}

// scans: who takes a card from a QR code; any of the people may post its code.
func (h *history) scans(who string) {
	name := fmt.Sprint("s", len(h.copies))
	h.take(who, name, "qr", "u"+who)
	if poster := rapid.SampledFrom(append(slices.Clone(persons), who)).Draw(h.rt, "poster"); h.touched[poster] && h.issued[poster] != "" {
		h.steps = append(h.steps, prove(miniOf[poster], "push", name, "O"+who))
	}
}

func (h *history) take(who, name, outer, union string) {
	c := &copyOf{name: name, owner: who, status: "active", outer: outer}
	h.copies = append(h.copies, c)
	h.tell(c, ev{name: world.Taken, outer: outer, union: union})
}

func (h *history) tell(c *copyOf, e ev) {
	h.touched[c.owner] = true
	e.openID, e.cardID, e.code, e.second = "O"+c.owner, "push", c.name, h.second
	h.steps = append(h.steps, event(e))
}

func (h *history) drops(who string) {
	if c := h.one(who, "active"); c != nil {
		c.status, h.wallet[c.name] = "deleted", "DELETE"
		h.second++ // within one second the order would be unknown
		h.tell(c, ev{name: world.Deleted})
	}
}

func (h *history) restores(who string) {
	if c := h.one(who, "deleted"); c != nil {
		c.status = "active"
		delete(h.wallet, c.name)
		h.second++
		h.tell(c, ev{name: world.Taken, restored: true, union: "u" + who})
	}
}

func (h *history) gives(who string) {
	c := h.one(who, "active")
	if c == nil {
		return
	}
	friend := rapid.SampledFrom(slices.DeleteFunc(slices.Clone(persons), func(p string) bool { return p == who })).Draw(h.rt, "friend")
	c.status, h.wallet[c.name] = "gifted", "GIFT_SUCC"
	h.second++
	h.tell(c, ev{name: world.Gifting, friend: "O" + friend})
	g := &copyOf{name: fmt.Sprint("g", len(h.copies)), owner: friend, status: "active"}
	h.copies = append(h.copies, g)
	h.tell(g, ev{name: world.Taken, oldCode: c.name, friend: "O" + who, union: "u" + friend})
}

// one returns a copy of that status that who has, or nil.
func (h *history) one(who, status string) *copyOf {
	for _, c := range h.copies {
		if c.owner == who && c.status == status {
			return c
		}
	}
	return nil
}

// want returns the picture in the end. It has every person who logged in or took a
// card. A forwarded code leaves of its first owner only the login.
func (h *history) want() string {
	p := &picture{}
	for _, who := range persons {
		name := "O" + who
		switch {
		case h.joined[who] && h.met(who):
			name = miniOf[who] + "+" + name
			p.members = append(p.members, name)
		default:
			if h.loggedIn[who] {
				p.members = append(p.members, miniOf[who])
			}
			if h.met(who) {
				p.members = append(p.members, name)
			}
		}
		for _, c := range h.copies {
			if c.owner != who {
				continue
			}
			line := "push/" + c.name + " " + c.status
			if c.outer != "" {
				line += " " + c.outer
			}
			p.cards = append(p.cards, line+" of "+name)
		}
	}
	return p.String()
}

// met reports whether who ever had a card.
func (h *history) met(who string) bool {
	return slices.ContainsFunc(h.copies, func(c *copyOf) bool { return c.owner == who })
}

// Any history ends the same if its events arrive in any order and repeatedly.
func TestLife_AnyHistoryEndsAsItEnded(t *testing.T) {
	t.Parallel()
	for i := range 4 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			world.Run(t, func(w *world.World) {
				run := 0
				rapid.Check(w, func(rt *rapid.T) {
					run++
					replay(w, rt, newHistory(rt), fmt.Sprintf("%d ", run))
				})
			})
		})
	}
}

// replay runs a history and compares the result with h.want.
func replay(w *world.World, rt *rapid.T, h *history, prefix string) {
	if len(h.steps) == 0 {
		rt.Skip("nothing happened")
	}
	p := newRun(w, prefix)
	steps := rapid.Permutation(repeated(rt, h.steps)).Draw(rt, "order")
	p.runEarly(rt, h.early)
	for name, status := range h.wallet {
		p.WeChat.SetStatus(p.code(name), status)
	}
	if got, want := p.run(rt, steps, nil), h.want(); got != want {
		rt.Fatalf("got\n%s\nwant\n%s", got, want)
	}
}
