package member

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"time"

	"github.com/addcard/addcard/internal/outbox"
)

// Event is one card event that WeChat pushed. OpenID is the person's openid in the
// Official Account.
type Event struct {
	DedupeKey    string // equal for every delivery of one event
	Name         string // user_get_card and so on
	CardID, Code string
	OpenID       string
	UnionID      string
	At           time.Time // WeChat's CreateTime, whole seconds

	OuterStr     string
	Restored     bool   // IsRestoreMemberCard
	OldCode      string // the giver's code, for a card that was given away
	FriendOpenID string // the giver's openid

	Fields map[string]string // all that WeChat said, for the record
}

// The events that change a card's status, the one that says that its figures have
// changed, and others of a card in its holder's wallet. All other events are only stored.
const (
	eventTaken     = "user_get_card"
	eventDeleted   = "user_del_card"
	eventSubmitted = "submit_membercard_user_info"
	eventModified  = "update_member_card" // by addcard, or by WeChat itself
	eventViewed    = "user_view_card"
	eventEntered   = "user_enter_session_from_card"
)

// changesStatus reports whether the event changes a card's status.
func (e Event) changesStatus() bool {
	return e.Name == eventTaken || e.Name == eventDeleted || e.Name == eventSubmitted
}

// showsHolder reports whether the event shows who has a card in the wallet, without
// changing its status. It makes a card known of which addcard has lost the earlier
// events, or the database since a backup.
func (e Event) showsHolder() bool {
	return e.Name == eventModified || e.Name == eventViewed || e.Name == eventEntered
}

// Catalogue has the rules for cards that were taken: how they become active, and
// with what.
type Catalogue interface {
	// Plan returns ErrCardUnknown for a card that is not in the catalogue. It does
	// not call WeChat.
	Plan(ctx context.Context, cardID string) (Plan, error)
	// FetchPlan calls WeChat for a card that is not in the catalogue, and returns
	// ErrCardUnknown for a card that the account does not have.
	FetchPlan(ctx context.Context, cardID string) (Plan, error)
	// InitialGrant returns what a card begins with. It does not call WeChat.
	InitialGrant(ctx context.Context, cardID string) (InitialGrant, error)
}

// ErrCardUnknown is returned by a Catalogue for a card that it does not have.
var ErrCardUnknown = errors.New("member: card is not in the catalogue")

// Plan says how a card that was taken becomes active.
type Plan string

// PlanAuto: the card activates itself when it is taken. PlanPush: addcard activates
// it when it is claimed. PlanForm: addcard activates it when the one-click form is
// submitted. PlanManual: the operator activates it.
const (
	PlanAuto   Plan = "auto"
	PlanPush   Plan = "push"
	PlanForm   Plan = "form"
	PlanManual Plan = "manual"
)

// The kinds of messages of this package.
const (
	KindActivate   = "activate"    // read a card that was taken, and activate it if addcard has to
	KindRefresh    = "look"        // read the card with /card/membercard/userinfo/get and adopt its state
	KindApplyEvent = "apply_event" // an event of a card that must be fetched into the catalogue first
)

// Receive applies an event once, in one durable transaction. It does not call
// WeChat: an event of a card that is not in the catalogue is stored, and applied
// later by ApplyStored. Events may be delivered in any order and any number of
// times.
func (s *Service) Receive(ctx context.Context, e Event) error {
	if err := s.receive(ctx, e); err != nil {
		return fmt.Errorf("receive %s of card %s: %w", e.Name, e.CardID, err)
	}
	s.wake()
	return nil
}

func (s *Service) receive(ctx context.Context, e Event) (err error) {
	var plan Plan
	if e.changesStatus() || e.showsHolder() {
		plan, err = s.catalogue.Plan(ctx, e.CardID)
	}
	unknown := errors.Is(err, ErrCardUnknown)
	if err != nil && !unknown {
		return err
	}
	return s.writePeople(ctx, func(ctx context.Context, tx peopleTx) error {
		if erased, err := s.isOfErased(ctx, tx, e); erased || err != nil {
			return err // nothing is stored about an erased member
		}
		e, err := s.withoutErased(ctx, tx, e)
		if err != nil {
			return err
		}
		added, err := tx.AddEvent(ctx, e)
		if err != nil || !added {
			return err
		}
		found, err := findsCard(ctx, tx, e)
		switch {
		case err != nil:
			return err
		case e.Name == eventModified && !found:
			return markModified(ctx, tx, e)
		case !e.changesStatus() && !found:
			return nil
		case unknown:
			return tx.Enqueue(ctx, outbox.Message{CardID: e.CardID, Code: e.Code, Kind: KindApplyEvent, Payload: e.DedupeKey})
		}
		return s.apply(ctx, tx, e, plan)
	})
}

// findsCard reports whether the event shows the holder of a card that is not known.
func findsCard(ctx context.Context, tx Tx, e Event) (bool, error) {
	if !e.showsHolder() {
		return false, nil
	}
	_, err := tx.Card(ctx, e.CardID, e.Code)
	if errors.Is(err, ErrNotFound) {
		return true, nil
	}
	return false, err
}

// isOfErased reports whether the event is about a card of a member who was erased, or
// tells what the person did before the erasure. A person who takes a card later is a
// new member.
func (s *Service) isOfErased(ctx context.Context, tx Tx, e Event) (bool, error) {
	if erased, err := tx.Erased(ctx, e.CardID, e.Code); erased || err != nil {
		return erased, err
	}
	return tx.ErasedSince(ctx, s.official(e.OpenID), e.At)
}

// official returns an identity in the Official Account.
func (s *Service) official(openID string) Identity {
	return Identity{AppID: s.apps.Official, OpenID: openID}
}

// withoutErased returns the event of a gift without the other side's openid if that
// person was erased. The card that was given, and what is on it, is the recipient's.
func (s *Service) withoutErased(ctx context.Context, tx Tx, e Event) (Event, error) {
	if e.FriendOpenID == "" {
		return e, nil
	}
	erased, err := tx.Erased(ctx, e.CardID, e.OldCode)
	if err == nil && !erased {
		erased, err = tx.ErasedSince(ctx, s.official(e.FriendOpenID), e.At)
	}
	if err != nil || !erased {
		return e, err
	}
	e.Fields = maps.Clone(e.Fields)
	maps.DeleteFunc(e.Fields, func(_, value string) bool { return value == e.FriendOpenID })
	e.FriendOpenID = ""
	return e, nil
}

// ApplyStored applies an event that Receive stored because its card was not in the
// catalogue. It first fetches the card from WeChat. An event of another account's
// card has no effect. ApplyStored calls finish at the beginning of its transaction,
// in both cases.
func (s *Service) ApplyStored(ctx context.Context, cardID, dedupeKey string, finish func(ctx context.Context, tx Tx) error) error {
	plan, err := s.catalogue.FetchPlan(ctx, cardID)
	foreign := errors.Is(err, ErrCardUnknown)
	if err != nil && !foreign {
		return err
	}
	ctx, cancel := outbox.RecordContext(ctx)
	defer cancel()
	return s.writePeople(ctx, func(ctx context.Context, tx peopleTx) error {
		if err := finish(ctx, tx); err != nil || foreign {
			return err
		}
		e, err := tx.Event(ctx, dedupeKey)
		if err != nil || e.OpenID == "" { // its person was erased meanwhile
			return err
		}
		return s.apply(ctx, tx, e, plan)
	})
}

// RecordFound records that a code is in the wallet of an openid in the Official
// Account, as the lost event would have done. The time at which it was taken is
// unknown. RecordFound calls WeChat for a card that is not in the catalogue; for a
// card of another account it does nothing, and neither for a person who was erased
// since the wallet was read.
func (s *Service) RecordFound(ctx context.Context, cardID, code, openID, outerStr string) error {
	plan, err := s.Plan(ctx, cardID)
	if errors.Is(err, ErrCardUnknown) {
		return nil
	}
	if err != nil {
		return err
	}
	return s.writePeople(ctx, func(ctx context.Context, tx peopleTx) error {
		if gone, err := s.isGone(ctx, tx, cardID, code, openID); gone || err != nil {
			return err
		}
		c, err := s.cardInWalletOf(ctx, tx, cardID, code, s.official(openID))
		if err != nil {
			return err
		}
		c.setOuterStr(outerStr, earliest)
		c.markTaken(earliest, time.Now())
		return s.saveTaken(ctx, tx, c, plan, true)
	})
}

// walletAge is far more than the time between the reading of a wallet and the record of
// what was found in it.
const walletAge = time.Hour

// isGone reports whether a code that was found in a wallet is one of a member who was
// erased, or one that is not known in the wallet of a person who was erased since the
// wallet was read.
func (s *Service) isGone(ctx context.Context, tx Tx, cardID, code, openID string) (bool, error) {
	if erased, err := tx.Erased(ctx, cardID, code); erased || err != nil {
		return erased, err
	}
	if _, err := tx.Card(ctx, cardID, code); !errors.Is(err, ErrNotFound) {
		return false, err
	}
	return tx.ErasedSince(ctx, s.official(openID), time.Now().Add(-walletAge))
}

// apply records what an event that changes its card's status says.
func (s *Service) apply(ctx context.Context, tx peopleTx, e Event, plan Plan) error {
	c, err := s.cardInWalletOf(ctx, tx, e.CardID, e.Code, Identity{AppID: s.apps.Official, OpenID: e.OpenID, UnionID: e.UnionID})
	if err != nil {
		return err
	}
	if e.showsHolder() {
		c.markTaken(earliest, e.At)
		return s.saveTaken(ctx, tx, c, plan, true)
	}
	if e.Name == eventDeleted {
		c.markDeleted(momentOf(e.At, rankDeleted))
		return Save(ctx, tx, c)
	}
	given := e.Name == eventTaken && e.OldCode != "" && e.OldCode != e.Code
	if given {
		c.Life.GivenFrom = e.OldCode
	}
	// Only WeChat knows the state that the card is in now.
	refresh := given || e.Restored || e.Name == eventSubmitted || c.Status == Deleted
	c.applyTaken(e)
	if err := s.saveTaken(ctx, tx, c, plan, refresh && c.InWallet()); err != nil || !given {
		return err
	}
	return s.receiveGift(ctx, tx, e)
}

// markModified has the card's figures compared with WeChat's, unless one of the
// latest entries explains the change.
func markModified(ctx context.Context, tx Tx, e Event) error {
	const latest = 20
	entries, err := tx.Entries(ctx, e.CardID, e.Code, 0, latest)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if e.changedBy("ModifyBonus", entry.AddBonus) && e.changedBy("ModifyBalance", entry.AddBalance) {
			return nil
		}
	}
	return tx.MarkModified(ctx, e.CardID, e.Code)
}

// changedBy reports whether the event says that the figure changed by n. A figure
// that it does not mention has not changed.
func (e Event) changedBy(figure string, n int64) bool {
	by, err := strconv.ParseInt(cmp.Or(e.Fields[figure], "0"), 10, 64)
	return err == nil && by == n
}

// applyTaken records that the card is in the wallet, which a submitted form says as
// well.
func (c *Card) applyTaken(e Event) {
	m := momentOf(e.At, rankTaken)
	if e.Restored {
		m = momentOf(e.At, rankRestored)
	}
	c.Life.Submitted = c.Life.Submitted || e.Name == eventSubmitted
	c.setOuterStr(e.OuterStr, m)
	c.markTaken(m, e.At)
}

// cardInWalletOf returns the card as held by who, in the wallet of that person, and
// makes the card if it is not known. The caller must save it.
func (s *Service) cardInWalletOf(ctx context.Context, tx peopleTx, cardID, code string, who Identity) (Card, error) {
	c, err := tx.Card(ctx, cardID, code)
	switch {
	case errors.Is(err, ErrNotFound):
		if c, err = newCard(ctx, tx, cardID, code); err == nil {
			c.MemberID, err = s.memberOf(ctx, tx, who)
		}
	case err == nil:
		var holder string
		if holder, err = s.holderOf(ctx, tx, c, who); err == nil {
			c, err = tx.Card(ctx, cardID, code) // it may have moved with the wallet
			c.MemberID = holder
		}
	}
	c.Life.Wallet = who.OpenID
	return c, err
}

// newCard returns a card under a code that addcard did not issue. The event of its
// gift may have come before the event that it was taken.
func newCard(ctx context.Context, tx Tx, cardID, code string) (Card, error) {
	c := Card{CardID: cardID, Code: code, Status: Issued}
	_, err := tx.Successor(ctx, cardID, code)
	switch {
	case errors.Is(err, ErrNotFound):
		return c, nil
	case err == nil:
		c.Status = Gifted
	}
	return c, err
}

// Plan returns how a card becomes active. It calls WeChat for a card that is not in
// the catalogue, and returns ErrCardUnknown for one that the account does not have.
func (s *Service) Plan(ctx context.Context, cardID string) (Plan, error) {
	plan, err := s.catalogue.Plan(ctx, cardID)
	if errors.Is(err, ErrCardUnknown) {
		plan, err = s.catalogue.FetchPlan(ctx, cardID)
	}
	return plan, err
}

// saveTaken saves a card that was taken and enqueues what its state asks for: to
// refresh it; or to activate it, which begins with reading its face, so this is done
// with every card with a face that is not known; and its pending updates. It joins the
// imported accounts that the card proves, and those that wait for the card.
func (s *Service) saveTaken(ctx context.Context, tx Tx, c Card, plan Plan, refresh bool) error {
	if plan == PlanAuto && c.Life.Taken > 0 {
		c.MarkActive("", c.ClaimedAt)
	}
	if err := Save(ctx, tx, c); err != nil {
		return err
	}
	m := outbox.Message{CardID: c.CardID, Code: c.Code, Kind: KindActivate}
	if refresh {
		m.Kind = KindRefresh
	}
	if refresh || c.InWallet() && (!c.FaceKnown || plan == PlanPush && c.Status == Claimed) {
		if err := tx.Enqueue(ctx, m); err != nil {
			return err
		}
	}
	if err := joinTaken(ctx, tx, c); err != nil {
		return err
	}
	return EnqueuePending(ctx, tx, c)
}
