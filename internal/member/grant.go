package member

import (
	"context"
	"slices"

	"github.com/addcard/addcard/internal/ledger"
	"github.com/addcard/addcard/internal/outbox"
)

// InitialGrant is what a card gets when it becomes active for the first time:
// points, fen (分), and the text that its holder reads about them.
type InitialGrant struct {
	Bonus, Balance int64
	Record         string
}

// grantRoute is the route of the entry of an initial grant.
const grantRoute = "opening"

// The texts of an opening entry, which the holder reads in the list of entries.
const (
	recordFaceBonus   = "原有积分"
	recordFaceBalance = "原有余额"
)

// Start is what a card's ledger begins with. A new card begins with its initial grant.
// A card that has figures on its face when addcard first reads it had a life before, in
// another system perhaps: it begins with an opening entry of these figures.
type Start struct {
	Grant      InitialGrant
	GrantShown bool         // the face shows the grant already
	Face       InitialGrant // what the face shows, without a record
	Reset      bool         // the activation may have reset the totals on the face
	Unread     bool         // the face could not be read after the activation

	plan Plan
}

// Start returns how the ledger of a card starts, given what WeChat says about the
// card. For a card that has started, it returns a zero Start.
func (s *Service) Start(ctx context.Context, c Card, info CardInfo) (start Start, err error) {
	if c.FaceKnown {
		return start, nil
	}
	if start, err = s.withGrant(ctx, c); err != nil {
		return start, err
	}
	face := info.Figures()
	imported, err := beganImported(ctx, s.store, c)
	switch {
	case err != nil:
		return start, err
	case imported:
		start.Reset = face != InitialGrant{Bonus: c.Bonus, Balance: c.Balance}
	case face == InitialGrant{}:
	case c.Seq == 0 && face.Bonus == start.Grant.Bonus && face.Balance == start.Grant.Balance:
		start.GrantShown = true // by an activation of ours that was not answered
	default:
		start.Face, start.Grant = face, InitialGrant{}
	}
	return start, nil
}

// Figures returns what the face shows. A figure that WeChat does not say is 0.
func (i CardInfo) Figures() InitialGrant {
	figure := func(n *int64) int64 {
		if n == nil {
			return 0
		}
		return min(max(*n, 0), ledger.MaxTotal)
	}
	return InitialGrant{Bonus: figure(i.Bonus), Balance: figure(i.Balance)}
}

// withGrant returns the start of a card with nothing on its face: its initial grant,
// unless it has started.
func (s *Service) withGrant(ctx context.Context, c Card) (start Start, err error) {
	if start.plan, err = s.Plan(ctx, c.CardID); err != nil {
		return start, err
	}
	started, err := hasStarted(ctx, s.store, c, start.plan)
	if err == nil && !started {
		start.Grant, err = s.catalogue.InitialGrant(ctx, c.CardID)
	}
	return start, err
}

// hasStarted reports whether the card has had its start, under this code or another
// that it had or got when it was given away. A card that activates itself is active
// before addcard reads it; any other starts when it becomes active, or when an imported
// account joins it.
func hasStarted(ctx context.Context, r Reader, c Card, plan Plan) (bool, error) {
	before, err := predecessors(ctx, r, c)
	if err != nil {
		return false, err
	}
	after, err := successors(ctx, r, c)
	if err != nil {
		return false, err
	}
	if slices.ContainsFunc(slices.Concat(before, []Card{c}, after), func(c Card) bool {
		return c.FaceKnown || plan != PlanAuto && !c.ActivatedAt.IsZero()
	}) {
		return true, nil
	}
	return beganImported(ctx, r, c)
}

// beganImported reports whether an imported account has joined the card, under this
// code or one that it had before it was given away.
func beganImported(ctx context.Context, r Reader, c Card) (bool, error) {
	before, err := predecessors(ctx, r, c)
	for _, c := range append(before, c) {
		if err != nil {
			return false, err
		}
		var joined bool
		if joined, err = r.HasJoined(ctx, c.CardID, c.Code); joined {
			return true, err
		}
	}
	return false, err
}

// Book adds the entries of the start to the card's ledger, unless the card has started
// meanwhile, and has an unread face read. before and now are the card before and after
// the change that the start comes with.
func (st Start) Book(ctx context.Context, tx Tx, before, now Card) error {
	if st.Face != (InitialGrant{}) {
		imported, err := beganImported(ctx, tx, now) // while the face was read
		if err != nil {
			return err
		}
		if imported {
			st.Face, st.Reset = InitialGrant{}, true
		}
	}
	face, grant, err := st.due(ctx, tx, before)
	if err == nil && face {
		err = st.bookFace(ctx, tx, now)
	}
	if err == nil && grant {
		err = st.bookGrant(ctx, tx, now)
	}
	if err == nil && st.Unread {
		err = tx.Enqueue(ctx, outbox.Message{CardID: now.CardID, Code: now.Code, Kind: KindRefresh})
	}
	if err != nil {
		return err
	}
	if st.Reset || st.GrantShown && !grant {
		return tx.AddPending(ctx, now.CardID, now.Code, ledger.PendingTotals)
	}
	return nil
}

// due reports which of the two entries must be added. A replica of an earlier version
// starts a card without recording that its face is known; then it has sent entries.
func (st Start) due(ctx context.Context, tx Tx, c Card) (face, grant bool, err error) {
	face, grant = st.Face != InitialGrant{}, st.Grant != InitialGrant{}
	if c.FaceKnown || !face && !grant {
		return false, false, nil
	}
	a, err := tx.Account(ctx, c.CardID, c.Code)
	if err != nil || a.Sent {
		return false, false, err
	}
	if grant {
		started, err := hasStarted(ctx, tx, c, st.plan)
		return face, !started, err
	}
	return face, false, nil
}

func (st Start) bookFace(ctx context.Context, tx Tx, c Card) error {
	return ledger.Add(ctx, tx, c.CardID, c.Code, OpeningOf(st.Face.Bonus, st.Face.Balance), ledger.RouteFace, true)
}

func (st Start) bookGrant(ctx context.Context, tx Tx, c Card) error {
	return ledger.Add(ctx, tx, c.CardID, c.Code, ledger.Booking{
		AddBonus: st.Grant.Bonus, AddBalance: st.Grant.Balance, RecordBonus: st.Grant.Record, NotifyBonus: true, NotifyBalance: true,
	}, grantRoute, st.GrantShown)
}
