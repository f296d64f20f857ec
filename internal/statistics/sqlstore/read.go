package sqlstore

import (
	"context"
	"fmt"

	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/statistics"
)

const inSpanSQL = ` from statistic where card_id = $3 and day between $1 and $2`

var daysSQL = `select day, ` + sums + inSpanSQL + ` group by day order by day`

// Days implements statistics.Store.
func (s *Store) Days(ctx context.Context, span statistics.Span) ([]statistics.Row, error) {
	return sqldb.All(ctx, s, "add up the figures of days", func(scan sqldb.Scan) (r statistics.Row, err error) {
		err = scan(append([]any{(*int64)(&r.Day)}, figureFields(&r.Figures).Pointers()...)...)
		return r, err
	}, daysSQL, int64(span.From), int64(span.To), span.CardID)
}

// One statement, so that the last row is the rest of the same figures.
var channelsSQL = `with by_channel as (select channel, ` + sums + inSpanSQL + ` group by channel),
	ranked as (select by_channel.*, row_number() over (order by issued + claimed desc, entries desc, channel) as place from by_channel)
	select case when place > $4 then '' else channel end, case when place > $4 then 1 else 0 end, ` + sums + `
	from ranked group by 1, 2 order by 2, min(place)`

// Channels implements statistics.Store.
func (s *Store) Channels(ctx context.Context, span statistics.Span, n int) ([]statistics.Row, error) {
	return sqldb.All(ctx, s, "add up the figures of channels", func(scan sqldb.Scan) (r statistics.Row, err error) {
		err = scan(append([]any{&r.Channel, (*sqldb.Bool)(&r.Other)}, figureFields(&r.Figures).Pointers()...)...)
		return r, err
	}, channelsSQL, int64(span.From), int64(span.To), span.CardID, n)
}

func wrapped(what string, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}
