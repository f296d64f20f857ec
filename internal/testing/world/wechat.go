package world

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/addcard/addcard/internal/cardsync"
	"github.com/addcard/addcard/internal/member"
)

// WeChat is a fake of WeChat. It keeps the state of each code, and refuses what
// WeChat would refuse. Its maps may be changed while no call is made.
type WeChat struct {
	Activated   map[string]int             // how often a code was activated; 0: it is not active
	Holders     map[cardsync.Key]string    // the openid that has the card in its wallet
	Forms       map[string][]member.Answer // what was filled in, by code
	HidesActive bool                       // CardInfo says of every card that it is not active
	Overlaps    int                        // calls that began while another about the same code was under way
	// Before and After are called before and after a call has its effect; an error
	// of theirs is the answer. Intercept changes them during calls.
	Before, After func(ctx context.Context, c Call) error

	mu     sync.Mutex
	status map[string]string // by code, see SetStatus
	faces  map[string]*Face  // by code
	busy   map[string]bool   // codes about which a call is under way
	calls  []Call
}

// Call is a call about a code: "activate", "update", "info" or "holder"; or
// "cards", about an openid.
type Call struct {
	Name, Code string
	Attempt    int // counts the calls of that name about the code, from 1
}

// Face is what the holder of a card sees.
type Face struct {
	Bonus, Balance int64
	Fields         [3]string
	Messages       []string // that the holder got, in order
	Totals         []int64  // the bonus after each update of the totals
}

// NewWeChat returns a WeChat in which every code is in a wallet and not active.
func NewWeChat() *WeChat {
	return &WeChat{
		Activated: map[string]int{}, Holders: map[cardsync.Key]string{}, Forms: map[string][]member.Answer{},
		status: map[string]string{}, faces: map[string]*Face{}, busy: map[string]bool{},
	}
}

// Activate sets the totals to the initial grant, every time.
func (w *WeChat) Activate(ctx context.Context, a cardsync.Activation) error {
	return w.serve(ctx, "activate", a.Code, func() error {
		if a.MembershipNumber == "" || !w.normal(a.Code) {
			return RefusalError{IsNotDelivered: true}
		}
		w.Activated[a.Code]++
		f := w.face(a.Code)
		f.Bonus, f.Balance = a.Grant.Bonus, a.Grant.Balance
		if a.Grant != (member.InitialGrant{}) {
			f.Messages = append(f.Messages, fmt.Sprintf("initial %s %d", a.Grant.Record, a.Grant.Bonus))
		}
		return nil
	})
}

// Update changes the face of an active card.
func (w *WeChat) Update(ctx context.Context, u cardsync.Update) error {
	return w.serve(ctx, "update", u.Code, func() error {
		if w.Activated[u.Code] == 0 || !w.normal(u.Code) {
			return RefusalError{IsNotDelivered: true}
		}
		f := w.face(u.Code)
		if u.Bonus != nil {
			f.Bonus, f.Balance = u.Bonus.Total, u.Balance.Total
			f.Totals = append(f.Totals, f.Bonus)
			f.notify("bonus", *u.Bonus)
			f.notify("balance", *u.Balance)
		}
		for i, v := range u.Fields {
			if v == nil {
				continue
			}
			f.Fields[i] = *v
			if u.NotifyFields[i] {
				f.Messages = append(f.Messages, fmt.Sprintf("field%d %s", i+1, *v))
			}
		}
		return nil
	})
}

// notify adds the message about a change, if there is one.
func (f *Face) notify(total string, c cardsync.Change) {
	if c.Notify && c.Add != 0 {
		f.Messages = append(f.Messages, fmt.Sprintf("%s %+d %d %s", total, c.Add, c.Total, c.Record))
	}
}

// normal reports whether a code is in a wallet. The caller holds w.mu.
func (w *WeChat) normal(code string) bool {
	return slices.Contains([]string{"", "not said"}, w.status[code])
}

// face returns the face of a card. The caller holds w.mu.
func (w *WeChat) face(code string) *Face {
	if w.faces[code] == nil {
		w.faces[code] = &Face{}
	}
	return w.faces[code]
}

// CardInfo returns the state of a card.
func (w *WeChat) CardInfo(ctx context.Context, cardID, code string) (info member.CardInfo, err error) {
	return info, w.serve(ctx, "info", code, func() error {
		if w.status[code] == "GIFT_SUCC" || w.status[code] == "unknown" {
			return RefusalError{IsNotDelivered: true}
		}
		switch info.Status = w.status[code]; info.Status {
		case "":
			info.Status = "NORMAL"
		case "not said":
			info.Status = ""
		}
		if w.Activated[code] > 0 && !w.HidesActive {
			info.Active, info.MembershipNumber = true, code
		}
		info.OpenID = w.Holders[cardsync.Key{CardID: cardID, Code: code}]
		now := *w.face(code)
		info.Bonus, info.Balance = &now.Bonus, &now.Balance
		info.Form = w.Forms[code]
		return nil
	})
}

// Holder returns the openid that Holders has for a code of the card "push".
func (w *WeChat) Holder(ctx context.Context, _, code string) (openID, outerStr string, err error) {
	return openID, "home", w.serve(ctx, "holder", code, func() error {
		if openID = w.Holders[cardsync.Key{CardID: "push", Code: code}]; openID == "" {
			return RefusalError{IsNotDelivered: true}
		}
		return nil
	})
}

// CardsOf lists the cards that Holders has for an openid, without those of a status.
func (w *WeChat) CardsOf(ctx context.Context, openID string) (keys []cardsync.Key, err error) {
	return keys, w.serve(ctx, "cards", openID, func() error {
		for key, holder := range w.Holders {
			if holder == openID && w.status[key.Code] == "" {
				keys = append(keys, key)
			}
		}
		return nil
	})
}

func (w *WeChat) serve(ctx context.Context, name, code string, effect func() error) error {
	c, before, after := w.begin(name, code)
	defer w.end(code)
	if before != nil {
		if err := before(ctx, c); err != nil {
			return err
		}
	}
	w.mu.Lock()
	err := effect()
	w.mu.Unlock()
	if err == nil && after != nil {
		err = after(ctx, c)
	}
	return err
}

func (w *WeChat) begin(name, code string) (c Call, before, after func(context.Context, Call) error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.busy[code] {
		w.Overlaps++
	}
	w.busy[code] = true
	c = Call{Name: name, Code: code, Attempt: 1}
	for _, earlier := range w.calls {
		if earlier.Name == name && earlier.Code == code {
			c.Attempt++
		}
	}
	w.calls = append(w.calls, c)
	return c, w.Before, w.After
}

func (w *WeChat) end(code string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.busy[code] = false
}

// Intercept sets Before and After, of the calls that begin later.
func (w *WeChat) Intercept(before, after func(context.Context, Call) error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.Before, w.After = before, after
}

// SetStatus sets the status of a code: "" is NORMAL, "unknown" is no code, and
// "not said" is NORMAL without CardInfo saying so.
func (w *WeChat) SetStatus(code, status string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.status[code] = status
}

// SetHidesActive sets HidesActive, for the calls that follow.
func (w *WeChat) SetHidesActive(hides bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.HidesActive = hides
}

// SetBonus changes the points on a face, as an operator can in WeChat's console.
func (w *WeChat) SetBonus(code string, bonus int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.face(code).Bonus = bonus
}

// SetFigures sets the points and fen on a face.
func (w *WeChat) SetFigures(code string, bonus, balance int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f := w.face(code)
	f.Bonus, f.Balance = bonus, balance
}

// Face returns what the holder of the card sees.
func (w *WeChat) Face(code string) Face {
	w.mu.Lock()
	defer w.mu.Unlock()
	return *w.face(code)
}

// Calls returns the names of the calls about a code, in order.
func (w *WeChat) Calls(code string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var names []string
	for _, c := range w.calls {
		if c.Code == code {
			names = append(names, c.Name)
		}
	}
	return strings.Join(names, " ")
}

// CallCount returns the number of all calls.
func (w *WeChat) CallCount() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.calls)
}

// FailOnce returns a hook that fails the first call of that name about each code.
func FailOnce(name string, err error) func(context.Context, Call) error {
	return func(_ context.Context, c Call) error {
		if c.Name == name && c.Attempt == 1 {
			return err
		}
		return nil
	}
}

// During returns a hook that runs do in the next call of that name.
func During(name string, do func()) func(context.Context, Call) error {
	var once sync.Once
	return func(_ context.Context, c Call) error {
		if c.Name == name {
			once.Do(do)
		}
		return nil
	}
}

// RefusalError is an answer of WeChat's, as outbox.Answer describes it.
type RefusalError struct {
	IsTemporary, IsPermanent, IsNotDelivered bool
	RetryIn                                  time.Duration // 0: not said
}

func (r RefusalError) Error() string                     { return "refused" }
func (r RefusalError) Errcode() int                      { return 40003 }
func (r RefusalError) Temporary() bool                   { return r.IsTemporary }
func (r RefusalError) Permanent() bool                   { return r.IsPermanent }
func (r RefusalError) NotDelivered() bool                { return r.IsNotDelivered }
func (r RefusalError) RetryAfter() (time.Duration, bool) { return r.RetryIn, r.RetryIn > 0 }
