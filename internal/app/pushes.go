package app

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/addcard/addcard/internal/card"
	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/wechat/push"
)

// pushes passes WeChat's pushes to the packages that they concern.
type pushes struct {
	receiver  *push.Receiver
	members   *member.Service
	catalogue *card.Catalogue
	log       *slog.Logger
	seen      *prometheus.CounterVec

	mu     sync.Mutex
	logged map[string]time.Time // when what was dropped for a reason was last logged
}

func newPushes(c *Core, r *push.Receiver, log *slog.Logger) *pushes {
	return &pushes{receiver: r, members: c.Members, catalogue: c.Catalogue, log: log, logged: map[string]time.Time{},
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

// Check implements public.Pushes.
func (p *pushes) Check(query url.Values) (proved, possible bool) {
	proved, err := p.receiver.Check(query)
	if err != nil {
		p.refused(context.Background(), err)
		return false, false
	}
	return proved, true
}

// storeTime bounds what a push waits for the database, so that it is answered within
// three seconds. WeChat waits five.
const storeTime = 2500 * time.Millisecond

// Receive implements public.Pushes.
func (p *pushes) Receive(ctx context.Context, query url.Values, body []byte) (bool, error) {
	ctx = sqldb.Together(ctx, storeTime)
	e, err := p.receiver.Open(query, body)
	var unusable *push.UnusableError
	switch {
	case errors.As(err, &unusable):
		p.drop(ctx, unusable.Reason, unusable.Field, "push dropped: it is WeChat's, and of no use here; \"success\" was answered")
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

// refused counts and logs a push that does not prove to be WeChat's. Two reasons occur
// with a valid signature; an operator has to correct them.
func (p *pushes) refused(ctx context.Context, err error) {
	switch {
	case errors.Is(err, push.ErrStale):
		p.drop(ctx, "stale", "", "push refused: its timestamp is more than ten minutes off; check this machine's clock")
	case errors.Is(err, push.ErrMode):
		p.drop(ctx, "mode", "", "push refused: CALLBACK_AES_KEY does not match the mode chosen at WeChat (明文, 兼容, 安全)")
	default:
		p.drop(ctx, "forged", "", "push refused: it is not proved to be WeChat's; if WeChat sent it, "+
			"check CALLBACK_TOKEN, CALLBACK_AES_KEY and OFFICIAL_APP_ID")
	}
}

// drop counts a push without effect. It logs one a minute and reason: anyone can send
// forged pushes, and people write messages to the account. Reason and field are no
// content of the push.
func (p *pushes) drop(ctx context.Context, reason, field, message string) {
	p.seen.WithLabelValues(reason).Inc()
	p.mu.Lock()
	last, before := p.logged[reason+" "+field]
	now := time.Now()
	due := !before || now.Sub(last) >= time.Minute
	if due {
		p.logged[reason+" "+field] = now
	}
	p.mu.Unlock()
	if !due {
		return
	}
	level := slog.LevelWarn
	if reason == push.NotAnEvent || reason == push.UnknownEvent {
		level = slog.LevelInfo // an account gets them every day
	}
	log := p.log.With("reason", reason)
	if field != "" {
		log = log.With("field", field)
	}
	log.Log(ctx, level, message)
}
