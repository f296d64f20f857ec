package member_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"pgregory.net/rapid"

	"github.com/addcard/addcard/internal/cardsync"
	"github.com/addcard/addcard/internal/ledger"
	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/testing/world"
)

// story is what happened. Its steps become known in any order, up to three times;
// the early ones come before, as a login comes before the request for a card, and
// the late ones after.
type story struct {
	early, steps, late []step
	// wallet is the status of each code in the end; NORMAL is left out.
	wallet map[string]string
	want   string // the picture
}

// step makes one thing known. Names of people and codes are the story's own.
type step func(ctx context.Context, p *storyRun) error

// storyRun is one run of a story. The runs share a database; the prefix before
// every name keeps them apart.
type storyRun struct {
	*world.World
	prefix string
	codes  map[string]string // issued at random; by name
	subs   map[string]string // the member that sessions name; by person
}

// newRun returns a run with a catalogue and a WeChat of its own.
func newRun(w *world.World, prefix string) *storyRun {
	return &storyRun{World: w.Fork(), prefix: prefix, codes: map[string]string{}, subs: map[string]string{}}
}

func (p *storyRun) name(name string) string {
	if name == "" {
		return ""
	}
	return p.prefix + name
}

func (p *storyRun) code(name string) string {
	if code, ok := p.codes[name]; ok {
		return code
	}
	return p.name(name)
}

// cardID keeps the late cards of the runs apart: each is fetched once.
func (p *storyRun) cardID(cardID string) string {
	if strings.HasPrefix(cardID, "late") {
		return cardID + "-" + p.prefix
	}
	return cardID
}

// runEarly runs the steps that come before all others.
func (p *storyRun) runEarly(rt *rapid.T, steps []step) {
	for i, do := range steps {
		if err := do(p.Context(), p); err != nil {
			rt.Fatalf("early step %d: %v", i, err)
		}
	}
}

// run runs the steps and a Sender at the same time and returns the picture.
func (p *storyRun) run(rt *rapid.T, steps, late []step) string {
	stop := p.StartSender(p.Services, p.WeChat)
	defer stop()
	for i, do := range slices.Concat(steps, late) {
		if i == len(steps) {
			p.WaitSent() // what is late comes when the rest is known
		}
		if err := do(p.Context(), p); err != nil {
			rt.Fatalf("step %d: %v", i, err)
		}
		if rapid.Bool().Draw(rt, "pause") {
			time.Sleep(time.Second)
		}
	}
	p.WaitSent()
	if b, err := p.Backlog(p.Context()); b.Parked > 0 || err != nil {
		rt.Fatalf("the outbox holds %+v, %v", b, err)
	}
	return p.picture(rt)
}

// login is a login, with a unionid unless union is empty. It must be of the same
// member every time.
func login(person, union string) step {
	return func(ctx context.Context, p *storyRun) error {
		id, err := p.Enroll(ctx, world.Mini, p.name(person), p.name(union))
		if before := p.subs[person]; err == nil && before != "" && before != id {
			return fmt.Errorf("%s was member %s and is now %s", person, before, id)
		}
		p.subs[person] = id
		return err
	}
}

// issue issues a code, which is called name from then on.
func issue(person, cardID, name string) step {
	return func(ctx context.Context, p *storyRun) error {
		codes, err := p.Codes(ctx, p.subs[person], []member.CodeRequest{{CardID: p.cardID(cardID)}})
		if err == nil {
			p.codes[name] = codes[0].Code
		}
		return err
	}
}

// credit adds an entry to a card and sets its second field, once.
func credit(cardID, name string, bonus, balance int64) step {
	return func(ctx context.Context, p *storyRun) error {
		code := p.code(name)
		_, _, err := p.AddEntry(ctx, cardID, code, ledger.Booking{AddBonus: bonus, AddBalance: balance}, p.request("credit "+name))
		if err != nil {
			return err
		}
		return p.Store.Write(ctx, func(ctx context.Context, tx cardsync.Tx) error {
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

// request returns a request with that key; its answer is the entry's ID.
func (p *storyRun) request(key string) ledger.Request {
	return ledger.Request{
		Route: "POST " + p.prefix, Key: key, Payload: key,
		Answer: func(e ledger.Entry) ([]byte, error) { return []byte(e.ID), nil },
	}
}

// claim is a claim that a phone posts. It may be refused: the card can be in another
// wallet by then.
func claim(person, cardID, name string) step { return prove(person, cardID, name, "") }

// prove is a claim of a code that we did not issue. Unless the member has the card
// already, it comes with the openid that WeChat says has the code in its wallet.
func prove(person, cardID, name, wallet string) step {
	return func(ctx context.Context, p *storyRun) error {
		if err := p.claim(ctx, person, cardID, name, wallet); !errors.Is(err, member.ErrNotYours) {
			return err
		}
		return nil
	}
}

// refused is a claim that must always be refused.
func refused(person, cardID, name, wallet string) step {
	return func(ctx context.Context, p *storyRun) error {
		if err := p.claim(ctx, person, cardID, name, wallet); !errors.Is(err, member.ErrNotYours) {
			return fmt.Errorf("%s claims %s: not refused as ErrNotYours: %w", person, name, errors.Join(err))
		}
		return nil
	}
}

func (p *storyRun) claim(ctx context.Context, person, cardID, name, wallet string) error {
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

// submit is a form that a phone posts when it returns from the open-card component.
func submit(person, cardID, name, wallet string) step {
	return func(ctx context.Context, p *storyRun) error {
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

// ev is an event in the names of the story.
type ev struct {
	name, openID, union, cardID, code string
	second                            int
	outer, oldCode, friend            string
	restored                          bool
}

// event is the receipt of an event.
func event(e ev) step {
	return func(ctx context.Context, p *storyRun) error {
		full := member.Event{
			DedupeKey: fmt.Sprintf("%s%+v", p.prefix, e), Name: e.name, CardID: p.cardID(e.cardID), Code: p.code(e.code),
			OpenID: p.name(e.openID), UnionID: p.name(e.union), At: world.At(e.second), OuterStr: e.outer,
			Restored: e.restored, FriendOpenID: p.name(e.friend),
		}
		if e.oldCode != "" {
			full.OldCode = p.code(e.oldCode)
		}
		return p.Receive(ctx, full)
	}
}
