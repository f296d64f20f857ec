package cardsync_test

import (
	"context"
	"errors"
	"fmt"
	"github.com/addcard/addcard/internal/cardsync"
	"slices"
	"strings"
	"time"

	"pgregory.net/rapid"

	"github.com/addcard/addcard/internal/ledger"
	"github.com/addcard/addcard/internal/member"
)

// story is what happened. Its steps become known in any order, three times if
// need be; the early ones come before, as a login comes before its card is
// asked for, and the late ones after.
type story struct {
	early, steps, late []step
	// wallet is what WeChat says of the codes in the end; NORMAL is left out.
	wallet map[string]string
	want   string // the picture
}

// step makes one thing known. Names of people and codes are the story's own.
type step func(ctx context.Context, p *play) error

// play is one telling of a story. Tellings share a database and are kept apart
// by the prefix before every name.
type play struct {
	*world
	prefix string
	codes  map[string]string // issued at random; by name
	subs   map[string]string // the member that sessions name; by person
}

func (p *play) name(name string) string {
	if name == "" {
		return ""
	}
	return p.prefix + name
}

func (p *play) code(name string) string {
	if code, ok := p.codes[name]; ok {
		return code
	}
	return p.name(name)
}

// cardID keeps the tellings' late cards apart: each is learned once.
func (p *play) cardID(cardID string) string {
	if strings.HasPrefix(cardID, "late") {
		return cardID + "-" + p.prefix
	}
	return cardID
}

// play begins a telling, with a catalogue and a WeChat of its own.
func (w *world) play(prefix string) *play {
	own := &world{T: w.T, path: w.path, store: w.store, db: w.db, cards: &catalogue{}, wechat: newWeChat(), outcome: map[string]int{}}
	own.services = own.replica(own.stores())
	return &play{world: own, prefix: prefix, codes: map[string]string{}, subs: map[string]string{}}
}

// early plays what comes before all else.
func (p *play) early(rt *rapid.T, steps []step) {
	for i, do := range steps {
		if err := do(p.Context(), p); err != nil {
			rt.Fatalf("early step %d: %v", i, err)
		}
	}
}

// tell plays the steps with a Sender beside them and returns the picture.
func (p *play) tell(rt *rapid.T, steps, late []step) string {
	stop := p.run(p.services, p.wechat)
	defer stop()
	for i, do := range slices.Concat(steps, late) {
		if i == len(steps) {
			p.settle() // what is late comes when the rest is known
		}
		if err := do(p.Context(), p); err != nil {
			rt.Fatalf("step %d: %v", i, err)
		}
		if rapid.Bool().Draw(rt, "pause") {
			time.Sleep(time.Second)
		}
	}
	p.settle()
	if b, err := p.Backlog(p.Context()); b.Parked > 0 || err != nil {
		rt.Fatalf("the outbox holds %+v, %v", b, err)
	}
	return p.picture(rt)
}

// login comes with the unionid of the name, unless that is empty. The session
// names the same member every time.
func login(person, union string) step {
	return func(ctx context.Context, p *play) error {
		id, err := p.Enroll(ctx, mini, p.name(person), p.name(union))
		if before := p.subs[person]; err == nil && before != "" && before != id {
			return fmt.Errorf("%s was member %s and is now %s", person, before, id)
		}
		p.subs[person] = id
		return err
	}
}

func issue(person, cardID, name string) step {
	return func(ctx context.Context, p *play) error {
		codes, err := p.Codes(ctx, p.subs[person], []member.CodeRequest{{CardID: p.cardID(cardID)}})
		if err == nil {
			p.codes[name] = codes[0].Code
		}
		return err
	}
}

// credit puts points and fen on a card, once.
func credit(cardID, name string, bonus, balance int64) step {
	return func(ctx context.Context, p *play) error {
		code := p.code(name)
		_, _, err := p.AddEntry(ctx, cardID, code, ledger.Booking{AddBonus: bonus, AddBalance: balance}, p.request("credit "+name))
		if err != nil {
			return err
		}
		return p.store.Write(ctx, func(ctx context.Context, tx cardsync.Tx) error {
			c, err := tx.Card(ctx, cardID, code)
			if err != nil {
				return err
			}
			c.Fields[1] = "gold"
			_, err = tx.UpdateCard(ctx, c)
			return err
		})
	}
}

// request is one with that key, answered with the entry's ID.
func (p *play) request(key string) ledger.Request {
	return ledger.Request{
		Route: "POST " + p.prefix, Key: key, Payload: key,
		Answer: func(e ledger.Entry) ([]byte, error) { return []byte(e.ID), nil },
	}
}

// claim is what a phone posts. It may be refused, where the card is in another
// wallet by then.
func claim(person, cardID, name string) step { return prove(person, cardID, name, "") }

// prove is claim for a code that we did not issue: unless the card is the
// member's already, WeChat is asked in whose wallet it is.
func prove(person, cardID, name, wallet string) step {
	return func(ctx context.Context, p *play) error {
		if err := p.claim(ctx, person, cardID, name, wallet); !errors.Is(err, member.ErrNotYours) {
			return err
		}
		return nil
	}
}

// refused is a claim that must not succeed, whatever is known.
func refused(person, cardID, name, wallet string) step {
	return func(ctx context.Context, p *play) error {
		if err := p.claim(ctx, person, cardID, name, wallet); !errors.Is(err, member.ErrNotYours) {
			return fmt.Errorf("%s claims %s: not refused as ErrNotYours: %w", person, name, errors.Join(err))
		}
		return nil
	}
}

func (p *play) claim(ctx context.Context, person, cardID, name, wallet string) error {
	if _, ok := p.subs[person]; !ok {
		if err := login(person, "")(ctx, p); err != nil {
			return err
		}
	}
	sub := p.subs[person]
	plan, _, _ := strings.Cut(cardID, "-")
	if plan == "late" {
		plan = string(member.PlanPush)
	}
	c := member.Claim{CardID: p.cardID(cardID), Code: p.code(name), Plan: member.Plan(plan), ProvedOpenID: p.name(wallet)}
	if _, err := p.CardOf(ctx, sub, c.CardID, c.Code); err == nil {
		c.ProvedOpenID = ""
	}
	_, err := p.Claim(ctx, sub, []member.Claim{c})
	return err
}

// submit is what a phone posts when it comes back from the open-card component.
func submit(person, cardID, name, wallet string) step {
	return func(ctx context.Context, p *play) error {
		if _, ok := p.subs[person]; !ok {
			if err := login(person, "")(ctx, p); err != nil {
				return err
			}
		}
		c := member.Claim{CardID: p.cardID(cardID), Code: p.code(name), Plan: member.PlanForm, ProvedOpenID: p.name(wallet)}
		if _, err := p.CardOf(ctx, p.subs[person], c.CardID, c.Code); err == nil {
			c.ProvedOpenID = ""
		}
		_, err := p.Submit(ctx, p.subs[person], c, member.Form{TicketHash: p.prefix + name})
		return err
	}
}

type ev struct {
	name, openID, union, cardID, code string
	second                            int
	outer, oldCode, friend            string
	restored                          bool
}

func event(e ev) step {
	return func(ctx context.Context, p *play) error {
		full := member.Event{
			DedupeKey: fmt.Sprintf("%s%+v", p.prefix, e), Name: e.name, CardID: p.cardID(e.cardID), Code: p.code(e.code),
			OpenID: p.name(e.openID), UnionID: p.name(e.union), At: at(e.second), OuterStr: e.outer,
			Restored: e.restored, FriendOpenID: p.name(e.friend),
		}
		if e.oldCode != "" {
			full.OldCode = p.code(e.oldCode)
		}
		return p.Receive(ctx, full)
	}
}

var begin = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)

func at(second int) time.Time { return begin.Add(time.Duration(second) * time.Second) }

const (
	taken     = "user_get_card"
	dropped   = "user_del_card"
	submitted = "submit_membercard_user_info"
	gifting   = "user_gifting_card"
)
