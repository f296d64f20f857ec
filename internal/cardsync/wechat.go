package cardsync

import (
	"context"

	"golang.org/x/time/rate"

	"github.com/addcard/addcard/internal/member"
)

// WeChat has the calls that the outbox handlers make. What WeChat answered is an
// outbox.Answer; any other error is treated as temporary. Each call returns soon after
// its ctx ends.
type WeChat interface {
	// Activate makes the card active.
	Activate(ctx context.Context, a Activation) error
	// CardInfo reads the card.
	CardInfo(ctx context.Context, cardID, code string) (member.CardInfo, error)
	// Update changes what the holder of an active card sees.
	Update(ctx context.Context, u Update) error
}

// Activation is a request to activate a card. A zero Grant is not sent.
type Activation struct {
	CardID, Code     string
	MembershipNumber string
	Grant            member.InitialGrant
}

// Update changes the face of a card: both totals or neither, and the custom fields
// that are not nil. NotifyFields says for which fields to notify the holder.
type Update struct {
	CardID, Code   string
	Bonus, Balance *Change
	Fields         [3]*string
	NotifyFields   [3]bool
}

// Change is a new total of points or fen (分), and the message to the holder about
// it: how much was added, and why.
type Change struct {
	Total, Add int64
	Record     string
	Notify     bool
}

// Key names one member card.
type Key struct{ CardID, Code string }

// Wallets has the calls that the Reconciler makes. Its errors are like those of
// WeChat.
type Wallets interface {
	// CardInfo reads the card.
	CardInfo(ctx context.Context, cardID, code string) (member.CardInfo, error)
	// Holder returns the Official Account's openid of the person who has a code in
	// the wallet, and the outer_str with which it was taken.
	Holder(ctx context.Context, cardID, code string) (openID, outerStr string, err error)
	// CardsOf lists the cards in the wallet of an openid in the Official Account.
	CardsOf(ctx context.Context, openID string) ([]Key, error)
}

// callsPerSecond bounds the calls that one replica makes for its outbox. WeChat names
// no limit per second; a shop that credits all members at once must not find out
// what it is, nor slow down its own logins.
const callsPerSecond = 200

// limited is WeChat, called at most callsPerSecond times a second.
type limited struct {
	wechat  WeChat
	limiter *rate.Limiter
}

func limit(w WeChat) limited { return limited{w, rate.NewLimiter(callsPerSecond, callsPerSecond)} }

func (l limited) Activate(ctx context.Context, a Activation) error {
	if err := l.limiter.Wait(ctx); err != nil {
		return err
	}
	return l.wechat.Activate(ctx, a)
}

func (l limited) CardInfo(ctx context.Context, cardID, code string) (member.CardInfo, error) {
	if err := l.limiter.Wait(ctx); err != nil {
		return member.CardInfo{}, err
	}
	return l.wechat.CardInfo(ctx, cardID, code)
}

func (l limited) Update(ctx context.Context, u Update) error {
	if err := l.limiter.Wait(ctx); err != nil {
		return err
	}
	return l.wechat.Update(ctx, u)
}
