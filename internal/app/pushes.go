package app

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/addcard/addcard/internal/card"
	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/wechat/push"
)

// pushes passes WeChat's pushes to the packages that they concern.
type pushes struct {
	receiver  *push.Receiver
	members   *member.Service
	catalogue *card.Catalogue
	log       *slog.Logger
	seen      *prometheus.CounterVec
}

func newPushes(c *Core, r *push.Receiver, log *slog.Logger) *pushes {
	return &pushes{receiver: r, members: c.Members, catalogue: c.Catalogue, log: log,
		seen: promauto.With(c.metrics).NewCounterVec(prometheus.CounterOpts{
			Name: "addcard_pushes_total",
			Help: "Pushes to the callback by what became of them: " +
				"an event's name, a reason why it is of no use, forged, stale, mode.",
		}, []string{"outcome"})}
}

// Echo implements public.Pushes.
func (p *pushes) Echo(query url.Values) (string, bool) {
	echo, err := p.receiver.Echo(query)
	if err != nil {
		p.refused(context.Background(), err)
	}
	return echo, err == nil
}

// Receive implements public.Pushes.
func (p *pushes) Receive(ctx context.Context, query url.Values, body []byte) (bool, error) {
	e, err := p.receiver.Open(query, body)
	var unusable *push.UnusableError
	switch {
	case errors.As(err, &unusable):
		p.seen.WithLabelValues(unusable.Reason).Inc()
		return true, nil
	case err != nil:
		p.refused(ctx, err)
		return false, nil
	}
	p.seen.WithLabelValues(e.Name).Inc()
	if e.Name == push.CardPassCheck || e.Name == push.CardNotPassCheck {
		if err := p.catalogue.Reviewed(ctx, card.Review{
			CardID: e.CardID, Passed: e.Name == push.CardPassCheck, Reason: e.RefuseReason, At: time.Unix(e.CreateTime, 0),
		}); err != nil {
			return true, err
		}
	}
	return true, p.members.Receive(ctx, member.Event{
		DedupeKey: e.DedupeKey(), Name: e.Name, CardID: e.CardID, Code: e.UserCardCode,
		OpenID: e.FromUserName, UnionID: e.UnionID, At: time.Unix(e.CreateTime, 0).UTC(),
		OuterStr: e.OuterStr, Restored: e.IsRestoreMemberCard, OldCode: e.OldUserCardCode,
		FriendOpenID: e.FriendUserName, Fields: e.Fields,
	})
}

// refused counts a push that does not prove to be WeChat's. Two reasons occur with
// a valid signature; an operator has to correct them, so they are also logged.
func (p *pushes) refused(ctx context.Context, err error) {
	switch {
	case errors.Is(err, push.ErrStale):
		p.seen.WithLabelValues("stale").Inc()
		p.log.WarnContext(ctx, "push refused: its timestamp is more than ten minutes off; check this machine's clock")
	case errors.Is(err, push.ErrMode):
		p.seen.WithLabelValues("mode").Inc()
		p.log.WarnContext(ctx, "push refused: CALLBACK_AES_KEY does not match the mode chosen at WeChat (明文, 兼容, 安全)")
	default:
		p.seen.WithLabelValues("forged").Inc()
	}
}
