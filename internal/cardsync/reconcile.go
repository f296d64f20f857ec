package cardsync

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/addcard/addcard/internal/ledger"
	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/outbox"
	"github.com/addcard/addcard/internal/trail"
)

const (
	// checksPerRound and roundInterval are the budget of all replicas together:
	// 43,200 calls a day. WeChat names no quota for these calls; similar calls have
	// a million.
	checksPerRound = 30
	roundInterval  = time.Minute
	// walletsPerRound is how much of it may go into wallets, to look for unknown
	// cards.
	walletsPerRound = checksPerRound / 3
	// longestWait is the longest wait between two checks of a card that does not
	// change, longestIssuedWait that of a code that is not taken.
	longestWait       = 7 * 24 * time.Hour
	longestIssuedWait = 4 * longestWait
	// sumInterval is how often the whole ledger is added up.
	sumInterval = 24 * time.Hour
	// maxUnbalanced bounds how many unbalanced cards are counted.
	maxUnbalanced = 1000
)

// The outcomes of comparing a card with WeChat, as Observer.Checked gets them.
const (
	outcomeEqual     = "equal"
	outcomeRepaired  = "repaired" // the face will be set right
	outcomeDrift     = "drift"    // see Drift
	outcomeRefreshed = "looked"   // the state differs; a message will refresh the card
	outcomeFound     = "found"    // a claim without its event
	outcomeAbsent    = "absent"   // it is in no wallet
	outcomeBusy      = "busy"     // a message waits for the card
	outcomeChanged   = "changed"  // while it was compared
)

// Drift is a difference between a card's face and its ledger that WeChat itself has
// caused, by a bonus_rule for instance. Only the operator can decide which of the
// two is right, so it is not repaired.
type Drift struct {
	CardID, Code   string
	Bonus, Balance int64 // of the ledger
	FaceBonus      int64
	FaceBalance    int64
	SeenAt         time.Time
}

// Drifts lists up to n drifts, oldest first.
func (s *Service) Drifts(ctx context.Context, n int) ([]Drift, error) { return s.store.Drifts(ctx, n) }

// DriftOf returns the drift of a card, or member.ErrNotFound if it has none.
func (s *Service) DriftOf(ctx context.Context, cardID, code string) (Drift, error) {
	return s.store.DriftOf(ctx, cardID, code)
}

// Reconciler compares cards with WeChat, a few at a time: often those that changed
// lately, others rarely. It finds cards after a lost event, repairs faces without a
// notification, and stores the forms that it reads. It never changes a ledger, except
// for the initial grant of a card that it finds. Each replica may run a Reconciler;
// together they keep to one budget of calls.
type Reconciler struct {
	*Service
	wallets  Wallets
	ledger   *ledger.Service
	official string // AppID of the Official Account
	wake     func()
	log      *slog.Logger
	observer Observer
}

// Observer gets the results of a Reconciler. Both functions must be safe for
// concurrent use.
type Observer struct {
	// Checked gets the outcome of each comparison: equal, repaired, drift, looked,
	// found, absent, busy or changed.
	Checked func(outcome string)
	// Unbalanced gets the number of cards with totals that are not the sum of their
	// ledger. 1000 means 1000 or more.
	Unbalanced func(cards int)
}

// NewReconciler returns a Reconciler for the cards in wallets; official is the
// AppID of the Official Account. It calls wake after it has enqueued messages.
func (s *Service) NewReconciler(
	wallets Wallets, ledger *ledger.Service, official string, wake func(), log *slog.Logger, o Observer,
) *Reconciler {
	return &Reconciler{s, wallets, ledger, official, wake, log, o}
}

// Run reconciles and blocks until ctx ends and the call in progress has returned.
func (r *Reconciler) Run(ctx context.Context) {
	for ctx.Err() == nil {
		pause := roundInterval/4 + rand.N(roundInterval/4)
		if err := r.runJobs(ctx); err != nil && ctx.Err() == nil {
			wait, _ := outbox.BackOff(6, err)
			pause = max(wait, roundInterval)
			r.log.WarnContext(ctx, "reconcile: round failed; will continue", "in", pause, "error", err)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
}

// runJobs does the jobs that are due and that no other replica does.
func (r *Reconciler) runJobs(ctx context.Context) error {
	mine, err := r.store.StartJob(ctx, "add up the ledger", sumInterval)
	if mine && err == nil {
		err = r.addUp(ctx)
	}
	if err != nil {
		return err
	}
	if mine, err = r.store.StartJob(ctx, "index forms", roundInterval); err == nil && mine {
		err = r.members.IndexForms(ctx)
	}
	if err != nil {
		return err
	}
	if mine, err = r.store.StartJob(ctx, "reconcile", roundInterval); err == nil && mine {
		err = r.round(ctx)
	}
	return err
}

func (r *Reconciler) addUp(ctx context.Context) error {
	wrong, err := r.ledger.Unbalanced(ctx, maxUnbalanced)
	if err != nil {
		return err
	}
	r.observer.Unbalanced(len(wrong))
	if n := len(wrong); n > 0 {
		r.log.ErrorContext(ctx, "ledger: totals are not the sum of the entries; run `server check`", "cards", n)
	}
	return nil
}

// round spends the budget on the wallets and cards that are longest due.
func (r *Reconciler) round(ctx context.Context) error {
	wallets, err := r.store.WalletsDue(ctx, r.official, walletsPerRound)
	for _, id := range wallets {
		if err == nil {
			err = r.checkWallet(ctx, id)
		}
	}
	if err != nil {
		return err
	}
	cards, err := r.store.CardsDue(ctx, checksPerRound-len(wallets))
	for _, c := range cards {
		if err == nil {
			err = r.checkCard(ctx, c)
		}
	}
	r.wake()
	return err
}

// checkWallet looks for cards after a lost event, under codes that WeChat chose.
func (r *Reconciler) checkWallet(ctx context.Context, id member.Identity) error {
	if _, err := r.LookInWallet(ctx, id.OpenID); err != nil {
		return err
	}
	return r.write(ctx, func(ctx context.Context, tx Tx) error {
		return tx.WalletChecked(ctx, id, member.FirstCheck, longestWait)
	})
}

// LookInWallet records the cards in a wallet that addcard did not know to be there, and
// returns their number. openID is the holder's in the Official Account.
func (r *Reconciler) LookInWallet(ctx context.Context, openID string) (found int64, err error) {
	keys, err := r.wallets.CardsOf(ctx, openID)
	if err != nil && !outbox.Refused(err) {
		return 0, err
	}
	for _, key := range keys {
		c, err := r.store.Card(ctx, key.CardID, key.Code)
		switch {
		case errors.Is(err, member.ErrNotFound), err == nil && c.Status == member.Issued:
			found++
			err = r.members.RecordFound(ctx, key.CardID, key.Code, openID, "")
		case err == nil && c.Status == member.Deleted:
			err = r.enqueueRefresh(ctx, key)
		}
		if err != nil {
			return found, err
		}
	}
	return found, nil
}

// LookForHolder records that an issued code is in a wallet, and reports whether it is.
func (r *Reconciler) LookForHolder(ctx context.Context, cardID, code string) (bool, error) {
	openID, outerStr, err := r.wallets.Holder(ctx, cardID, code)
	if outbox.Refused(err) || err == nil && openID == "" {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, r.members.RecordFound(ctx, cardID, code, openID, outerStr)
}

func (r *Reconciler) checkCard(ctx context.Context, c member.Card) error {
	outcome, info, err := r.compare(ctx, c)
	if outbox.Refused(err) {
		outcome, err = outcomeAbsent, nil
	}
	if err != nil {
		return err
	}
	r.observer.Checked(outcome)
	longest := longestWait
	if c.Status == member.Issued {
		longest = longestIssuedWait
	}
	return r.write(ctx, func(ctx context.Context, tx Tx) error {
		if err := tx.Checked(ctx, c.CardID, c.Code, member.FirstCheck, longest); err != nil {
			return err
		}
		switch outcome {
		case outcomeRepaired, outcomeDrift, outcomeRefreshed, outcomeFound:
			detail := trail.Detail{Outcome: outcome, FaceBonus: info.Bonus, FaceBalance: info.Balance}
			return tx.AddTrail(ctx, trail.Row{CardID: c.CardID, Code: c.Code, Kind: trail.Reconciled, Detail: detail})
		}
		return nil
	})
}

// compare compares a card with WeChat, and returns what WeChat says about it.
func (r *Reconciler) compare(ctx context.Context, c member.Card) (outcome string, info member.CardInfo, err error) {
	if c.Status == member.Issued {
		found, err := r.LookForHolder(ctx, c.CardID, c.Code)
		if err != nil || !found {
			return outcomeAbsent, info, err
		}
		return outcomeFound, info, nil
	}
	if held, err := r.holds(ctx, c.CardID, c.Code); err != nil || held {
		return outcomeBusy, info, err
	}
	if info, err = r.wallets.CardInfo(ctx, c.CardID, c.Code); err != nil {
		return "", info, err
	}
	seen := c
	seen.ApplyInfo(info, time.Now())
	unread := c.Status == member.Active && !c.FaceKnown
	if unread || seen.Status != c.Status || seen.ActivatedAt.IsZero() != c.ActivatedAt.IsZero() {
		return outcomeRefreshed, info, r.enqueueRefresh(ctx, Key{c.CardID, c.Code})
	}
	if c, err = r.members.KeepForm(ctx, c, info.Form); err != nil {
		return "", info, err
	}
	outcome, err = r.compareTotals(ctx, c, info)
	return outcome, info, err
}

// compareTotals makes the face show what the ledger says, unless a message waits that
// will, or WeChat has modified the card by itself.
func (r *Reconciler) compareTotals(ctx context.Context, seen member.Card, info member.CardInfo) (outcome string, err error) {
	err = r.write(ctx, func(ctx context.Context, tx Tx) error {
		c, err := tx.Card(ctx, seen.CardID, seen.Code)
		if err != nil {
			return err
		}
		waiting, err := tx.HasWaiting(ctx, c.CardID, c.Code)
		switch {
		case err != nil:
			return err
		case c.Life.Version != seen.Life.Version || c.Seq != seen.Seq:
			outcome = outcomeChanged
			return nil
		case waiting:
			outcome = outcomeBusy
			return nil
		case c.Status != member.Active || says(info.Bonus, c.Bonus) && says(info.Balance, c.Balance):
			outcome = outcomeEqual
			return tx.ClearDrift(ctx, c.CardID, c.Code)
		}
		outcome, err = repairOrRecord(ctx, tx, c, info)
		return err
	})
	if outcome == outcomeDrift || outcome == outcomeRepaired {
		r.log.WarnContext(ctx, "reconcile: the card's face differs from its ledger",
			"card_id", seen.CardID, "code", seen.Code, "outcome", outcome)
	}
	return outcome, err
}

// repairOrRecord records the drift of a card that WeChat modified, and repairs the
// face of any other. A face with totals that the ledger never had is no lost push: WeChat
// or another system has set them, or the ledger is older than the face.
func repairOrRecord(ctx context.Context, tx Tx, c member.Card, info member.CardInfo) (outcome string, err error) {
	bonus, balance := or(info.Bonus, c.Bonus), or(info.Balance, c.Balance)
	had, err := tx.HadTotals(ctx, c.CardID, c.Code, 0, bonus, balance)
	if err == nil && !had {
		err = tx.MarkModified(ctx, c.CardID, c.Code)
	}
	if err != nil {
		return outcomeDrift, err
	}
	drift, err := tx.RecordDrift(ctx, c.CardID, c.Code, bonus, balance)
	if err != nil || drift {
		return outcomeDrift, err
	}
	if err := member.Save(ctx, tx, c); err != nil {
		return outcomeRepaired, err
	}
	return outcomeRepaired, member.AddPending(ctx, tx, c, ledger.PendingTotals)
}

// says reports whether a figure is n, or is not said.
func says(figure *int64, n int64) bool { return or(figure, n) == n }

// or returns the figure, or n if it is not said.
func or(figure *int64, n int64) int64 {
	if figure != nil {
		return *figure
	}
	return n
}

// enqueueRefresh has the outbox refresh a card.
func (r *Reconciler) enqueueRefresh(ctx context.Context, key Key) error {
	return r.write(ctx, func(ctx context.Context, tx Tx) error {
		if err := tx.Touch(ctx, key.CardID, key.Code); err != nil {
			return err
		}
		return tx.Enqueue(ctx, outbox.Message{CardID: key.CardID, Code: key.Code, Kind: member.KindRefresh})
	})
}
