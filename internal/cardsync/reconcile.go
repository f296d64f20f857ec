package member

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"
)

const (
	// checksPerRound and roundEvery are the budget of the whole fleet: 43,200
	// calls a day. WeChat names no quota for these calls; a million is what
	// others of its kind have.
	checksPerRound = 30
	roundEvery     = time.Minute
	// walletsPerRound is how much of it may go into looking for cards that we
	// never heard of.
	walletsPerRound = checksPerRound / 3
	// FirstCheck: a card is checked ten minutes after it was issued or changed, and then
	// ever less often while all is well.
	FirstCheck = 10 * time.Minute
	rareCheck  = 7 * 24 * time.Hour
	// rarestCheck is for a code that nobody has taken.
	rarestCheck = 4 * rareCheck
	// sumEvery is how often the whole ledger is added up.
	sumEvery = 24 * time.Hour
)

// Key names one card in a wallet.
type Key struct{ CardID, Code string }

// Wallets is what the Reconciler asks of WeChat. Its errors tell what those of
// WeChat tell.
type Wallets interface {
	// Face reads what the holder of the card sees.
	Face(ctx context.Context, cardID, code string) (Face, error)
	// Holder tells in whose wallet, by the Official Account's openid, a code
	// is, and through which channel it came there.
	Holder(ctx context.Context, cardID, code string) (openID, outerStr string, err error)
	// Held lists what is in the wallet of an Official Account's openid.
	Held(ctx context.Context, openID string) ([]Key, error)
}

// Drift is a card whose figures WeChat has changed by itself, by a bonus_rule
// say, so that it shows others than our ledger. Nobody but the operator can tell
// who is right: such a card is not repaired.
type Drift struct {
	CardID, Code   string
	Bonus, Balance int64 // of the ledger
	FaceBonus      int64
	FaceBalance    int64
	SeenAt         time.Time
}

// Reconciler compares what we know of cards with what WeChat shows, a few at a
// time: those that changed lately often, others now and then. It finds what we
// never heard of and sets faces right without a word. It never changes a
// ledger. Any number of replicas may run one; together they keep to one budget.
type Reconciler struct {
	service *Service
	wechat  Wallets
	log     *slog.Logger
	ports   Reconciled
}

// Reconciled is told what a Reconciler found. Both must be safe for concurrent
// use.
type Reconciled struct {
	// Checked gets the outcome of each comparison: equal; repaired, the face
	// will be set right; drift, see Drift; looked, the state differs and the
	// Sender will look; found, a claim that we never heard of; absent, it is in
	// no wallet; busy, something waits for WeChat; changed meanwhile.
	Checked func(outcome string)
	// Unbalanced gets the number of cards whose totals are not the sum of their
	// ledger; 1000 is that many or more.
	Unbalanced func(cards int)
}

// NewReconciler returns a Reconciler.
func (s *Service) NewReconciler(wechat Wallets, log *slog.Logger, told Reconciled) *Reconciler {
	return &Reconciler{service: s, wechat: wechat, log: log, ports: told}
}

// Run reconciles until ctx ends. It blocks until the call under way is over.
func (r *Reconciler) Run(ctx context.Context) {
	for ctx.Err() == nil {
		pause := roundEvery/4 + rand.N(roundEvery/4)
		if err := r.turn(ctx); err != nil && ctx.Err() == nil {
			r.log.WarnContext(ctx, "reconciling was broken off", "error", err)
			pause = r.pause(err)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
}

// pause is how long to leave WeChat, or the database, alone.
func (r *Reconciler) pause(err error) time.Duration {
	wait, _ := backOff(6, err)
	return max(wait, roundEvery)
}

// turn does what is due and no other replica does.
func (r *Reconciler) turn(ctx context.Context) error {
	store := r.service.store
	mine, err := store.Turn(ctx, "add up the ledger", sumEvery)
	if mine && err == nil {
		err = r.addUp(ctx)
	}
	if err != nil {
		return err
	}
	if mine, err = store.Turn(ctx, "reconcile", roundEvery); err == nil && mine {
		err = r.round(ctx)
	}
	return err
}

func (r *Reconciler) addUp(ctx context.Context) error {
	const most = 1000
	wrong, err := r.service.Unbalanced(ctx, most)
	if err != nil {
		return err
	}
	r.ports.Unbalanced(len(wrong))
	if n := len(wrong); n > 0 {
		r.log.ErrorContext(ctx, "the ledger does not add up", "cards", n)
	}
	return nil
}

// round spends the budget on what is most due.
func (r *Reconciler) round(ctx context.Context) error {
	wallets, err := r.service.store.WalletsDue(ctx, r.service.apps.Official, walletsPerRound)
	for _, id := range wallets {
		if err == nil {
			err = r.wallet(ctx, id)
		}
	}
	if err != nil {
		return err
	}
	cards, err := r.service.store.CardsDue(ctx, checksPerRound-len(wallets))
	for _, c := range cards {
		if err == nil {
			err = r.card(ctx, c)
		}
	}
	r.service.wake()
	return err
}

// wallet looks for cards that we never heard of: codes of WeChat's own, whose
// events were lost.
func (r *Reconciler) wallet(ctx context.Context, id Identity) error {
	held, err := r.wechat.Held(ctx, id.OpenID)
	if err != nil && !refusedForGood(err) {
		return err
	}
	for _, key := range held {
		c, err := r.service.store.Card(ctx, key.CardID, key.Code)
		switch {
		case errors.Is(err, ErrNotFound), err == nil && c.Status == Issued:
			err = r.found(ctx, key, id.OpenID, "")
		case err == nil && c.Status == Deleted:
			err = r.look(ctx, key)
		}
		if err != nil {
			return err
		}
	}
	return r.service.write(ctx, func(ctx context.Context, tx Tx) error { return tx.WalletChecked(ctx, id, FirstCheck, rareCheck) })
}

// card compares one card.
func (r *Reconciler) card(ctx context.Context, c Card) error {
	outcome, err := r.compare(ctx, c)
	if refusedForGood(err) {
		outcome, err = "absent", nil
	}
	if err != nil {
		return err
	}
	r.ports.Checked(outcome)
	most := rareCheck
	if c.Status == Issued {
		most = rarestCheck
	}
	return r.service.write(ctx, func(ctx context.Context, tx Tx) error {
		return tx.Checked(ctx, c.CardID, c.Code, FirstCheck, most)
	})
}

func (r *Reconciler) compare(ctx context.Context, c Card) (outcome string, err error) {
	key := Key{c.CardID, c.Code}
	if c.Status == Issued {
		openID, outerStr, err := r.wechat.Holder(ctx, c.CardID, c.Code)
		if err != nil || openID == "" {
			return "absent", err
		}
		return "found", r.found(ctx, key, openID, outerStr)
	}
	face, err := r.wechat.Face(ctx, c.CardID, c.Code)
	if err != nil {
		return "", err
	}
	seen := c
	seen.see(face, time.Now())
	if seen.Status != c.Status || seen.ActivatedAt.IsZero() != c.ActivatedAt.IsZero() {
		return "looked", r.look(ctx, key)
	}
	return r.settle(ctx, c, face)
}

// refusedForGood is true of what WeChat says about this code and will say again.
func refusedForGood(err error) bool {
	_, quota := retryAfter(err)
	return err != nil && !quota && !permanent(err) && !temporary(err)
}

// settle makes the face show what the ledger says, unless something waits that
// will, or WeChat has changed it by itself.
func (r *Reconciler) settle(ctx context.Context, seen Card, face Face) (outcome string, err error) {
	err = r.service.write(ctx, func(ctx context.Context, tx Tx) error {
		c, err := tx.Card(ctx, seen.CardID, seen.Code)
		if err != nil {
			return err
		}
		waits, err := tx.Waits(ctx, c.CardID, c.Code)
		switch {
		case err != nil:
			return err
		case c.Life.Version != seen.Life.Version || c.Seq != seen.Seq:
			outcome = "changed"
			return nil
		case waits:
			outcome = "busy"
			return nil
		case c.Status != Active || says(face.Bonus, c.Bonus) && says(face.Balance, c.Balance):
			outcome = "equal"
			return tx.Equal(ctx, c.CardID, c.Code)
		}
		drift, err := tx.Drifts(ctx, c.CardID, c.Code, or(face.Bonus, c.Bonus), or(face.Balance, c.Balance))
		if outcome = "drift"; err != nil || drift {
			return err
		}
		outcome = "repaired"
		if err := put(ctx, tx, c); err != nil {
			return err
		}
		return owe(ctx, tx, c, dueTotals)
	})
	if outcome == "drift" || outcome == "repaired" {
		r.log.WarnContext(ctx, "a card does not show what its ledger says", "card_id", seen.CardID, "outcome", outcome)
	}
	return outcome, err
}

// says tells whether a figure is n, as far as WeChat says it.
func says(figure *int64, n int64) bool { return or(figure, n) == n }

func or(figure *int64, n int64) int64 {
	if figure != nil {
		return *figure
	}
	return n
}

// look lets the Sender find out what became of a card.
func (r *Reconciler) look(ctx context.Context, key Key) error {
	return r.service.write(ctx, func(ctx context.Context, tx Tx) error {
		if err := touch(ctx, tx, key.CardID, key.Code); err != nil {
			return err
		}
		return tx.Enqueue(ctx, Message{CardID: key.CardID, Code: key.Code, Kind: lookAtCard})
	})
}

// found notes that a code is in a wallet, as the event would have done that we
// never got. When it was taken only WeChat knows.
func (r *Reconciler) found(ctx context.Context, key Key, openID, outerStr string) error {
	s := r.service
	how, err := s.taking(ctx, key.CardID)
	if errors.Is(err, ErrCardUnknown) {
		if _, err = s.cards.Learn(ctx, key.CardID); err == nil {
			how, err = s.taking(ctx, key.CardID)
		}
	}
	if errors.Is(err, ErrCardUnknown) {
		return nil // another account's
	}
	if err != nil {
		return err
	}
	return s.writePeople(ctx, func(ctx context.Context, tx people) error {
		c, err := s.inWalletOf(ctx, tx, key.CardID, key.Code, Identity{AppID: s.apps.Official, OpenID: openID})
		if err != nil {
			return err
		}
		c.channel(outerStr, claimedSometime)
		c.take(claimedSometime, time.Now())
		return s.keep(ctx, tx, c, how, true)
	})
}

// Drifts lists up to n cards whose figures WeChat has changed by itself, the
// longest known first.
func (s *Service) Drifts(ctx context.Context, n int) ([]Drift, error) {
	return s.store.Drifting(ctx, n)
}

// DriftOf returns how a card differs from what WeChat shows, or ErrNotFound if
// it does not, as far as we know.
func (s *Service) DriftOf(ctx context.Context, cardID, code string) (Drift, error) {
	return s.store.DriftOf(ctx, cardID, code)
}
