package app

import (
	"context"
	"errors"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/addcard/addcard/internal/cardsync"
	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/outbox"
	"github.com/addcard/addcard/internal/recovery"
)

// recover begins the recovery of a database that was restored from a copy, before
// anything is served.
func (c *Core) recover(ctx context.Context, log *slog.Logger) error {
	if !c.Recovery.Active() {
		return nil
	}
	if err := c.Recovery.Begin(ctx); err != nil {
		return err
	}
	log.WarnContext(ctx, "the database was restored from a copy: its cards are held until they were compared with WeChat",
		"fix", "server recover status")
	return nil
}

// recovering is the metric that says whether a recovery lasts.
func recovering(s *recovery.Service) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "addcard_recovery", Help: "1 while the recovery of a restored database lasts.",
	}, func() float64 {
		if s.Active() {
			return 1
		}
		return 0
	})
}

// restoredCards implements recovery.WeChat.
type restoredCards struct {
	cards      *cardsync.Service
	reconciler *cardsync.Reconciler
}

// stateOf has the states of package recovery for the outcomes of package cardsync.
var stateOf = map[string]string{
	cardsync.FaceEqual: recovery.Equal, cardsync.FaceUnsent: recovery.Unsent, cardsync.FaceDiffers: recovery.Differs,
	cardsync.FaceAdopted: recovery.Adopted, cardsync.FaceAbsent: recovery.Absent,
}

func (r restoredCards) Look(ctx context.Context, k recovery.Key, adopt bool) (recovery.Difference, error) {
	st, err := r.cards.Settle(ctx, k.First, k.Second, adopt)
	for tries := 0; errors.Is(err, outbox.ErrStale) && tries < 3; tries++ {
		st, err = r.cards.Settle(ctx, k.First, k.Second, adopt)
	}
	return recovery.Difference{
		CardID: k.First, Code: k.Second, State: stateOf[st.Outcome], Bonus: st.Bonus, Balance: st.Balance,
		FaceBonus: st.FaceBonus, FaceBalance: st.FaceBalance,
	}, err
}

func (r restoredCards) Wallet(ctx context.Context, openID string) (int64, error) {
	return r.reconciler.LookInWallet(ctx, openID)
}

func (r restoredCards) Holder(ctx context.Context, k recovery.Key) (int64, error) {
	taken, err := r.reconciler.LookForHolder(ctx, k.First, k.Second)
	if taken {
		return 1, err
	}
	return 0, err
}

// returning implements cardlist.Members for members who may have taken a card since the
// copy from which the database was restored: they get that card, and no second one.
type returning struct {
	*member.Service
	recovery   *recovery.Service
	officialID string
}

func (r returning) Codes(ctx context.Context, memberID string, requests []member.CodeRequest) ([]member.Code, error) {
	if r.recovery.Active() {
		openID, err := r.OpenID(ctx, memberID, r.officialID)
		if err == nil {
			err = r.recovery.FindCards(ctx, openID)
		}
		if err != nil && !errors.Is(err, member.ErrOpenIDUnknown) {
			return nil, err
		}
	}
	return r.Service.Codes(ctx, memberID, requests)
}
