package statistics

import (
	"context"
	"math/rand/v2"
	"time"
)

const (
	// interval is how often one of the replicas rolls up, and roundTime how long it
	// takes for that at most.
	interval  = 15 * time.Second
	roundTime = 10 * time.Second
	// afterFailure is the wait after a failed round.
	afterFailure = time.Minute
	// pagesPerLine is how often the log says that older rows are being counted.
	pagesPerLine = 1000
)

// Run rolls up and blocks until ctx ends. Each replica may run it; together they roll
// up every 15 seconds.
func (s *Service) Run(ctx context.Context) {
	for ctx.Err() == nil {
		pause := interval/4 + rand.N(interval/4)
		if err := s.runJob(ctx); err != nil && ctx.Err() == nil {
			pause = afterFailure
			s.Log.WarnContext(ctx, "statistics: roll-up failed; will continue", "in", pause, "error", err)
		}
		sleep(ctx, pause)
	}
}

// runJob rolls up if that is due and no other replica does. It leaves the database to
// others for as long as it has used it, and for longer while it counts older rows.
func (s *Service) runJob(ctx context.Context) error {
	mine, err := s.store.StartJob(ctx, interval)
	if err != nil || !mine {
		return err
	}
	for pages, began := 1, time.Now(); time.Since(began) < roundTime && ctx.Err() == nil; pages++ {
		stepBegan := time.Now()
		state, err := s.step(ctx)
		if err != nil || state == done {
			return err
		}
		pause := time.Since(stepBegan)
		if state == counting {
			pause *= 4
			if pages%pagesPerLine == 1 {
				s.Log.InfoContext(ctx, "statistics: counting what there was before; the figures are not complete yet")
			}
		}
		sleep(ctx, pause)
	}
	return nil
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// RollUp counts all that was committed before the call. It does not pause, as Run
// does.
func (s *Service) RollUp(ctx context.Context) error {
	for {
		if state, err := s.step(ctx); err != nil || state == done {
			return err
		}
	}
}

// state is what is left after a step.
type state int

const (
	done     state = iota // nothing that was committed before the step
	behind                // changes
	counting              // rows that were there before
)

// step counts one page of each source in one transaction.
func (s *Service) step(ctx context.Context) (left state, err error) {
	completed := false
	err = s.store.Write(ctx, func(ctx context.Context, tx Tx) error {
		completed = false
		p, now, err := tx.Progress(ctx)
		if err != nil {
			return err
		}
		if p.Zone != s.Zone.String() {
			p = Progress{Zone: s.Zone.String()}
		}
		if left, err = s.count(ctx, tx, &p); err != nil {
			return err
		}
		if left == done {
			completed = p.Until.IsZero()
			p.Until = now
		}
		return tx.SetProgress(ctx, p)
	})
	if err == nil && completed {
		s.Log.InfoContext(ctx, "statistics: everything is counted", "time_zone", s.Zone.String())
	}
	return left, err
}

func (s *Service) count(ctx context.Context, tx Tx, p *Progress) (left state, err error) {
	if !p.Cleared {
		n, err := tx.Clear(ctx, s.PageSize)
		p.Cleared = n < s.PageSize
		return counting, err
	}
	changed := sums{}
	for source := range sources {
		r := reader{tx, source, s.PageSize, s.Zone, changed}
		state, err := r.read(ctx, &p.Cursors[source])
		if err != nil {
			return left, err
		}
		left = max(left, state)
	}
	for cell, f := range changed {
		if f == (Figures{}) {
			continue
		}
		if err := tx.Add(ctx, cell, f); err != nil {
			return left, err
		}
	}
	return left, nil
}

// reader adds what it reads of a source to sums.
type reader struct {
	tx     Tx
	source Source
	size   int
	zone   *time.Location
	sums   sums
}

// read counts the changes and, if there are few, a page of the rows behind the
// cursor, which it moves.
//
// A page has the rows as they were when it was read. On PostgreSQL, more may be
// committed before the next statement. So the changes are read again after the page: a
// change that the page has seen is not counted once more, and any other is. If there
// are too many of them to read at once, the page waits for the next step.
func (r reader) read(ctx context.Context, c *Cursor) (left state, err error) {
	changes, err := r.tx.Changes(ctx, r.source, *c, r.size)
	if err == nil {
		err = r.add(ctx, changes, nil)
	}
	switch {
	case err != nil:
		return left, err
	case len(changes) == r.size:
		return behind, nil
	case c.End:
		return done, nil
	}
	page, err := r.tx.Page(ctx, r.source, *c, r.size)
	if err != nil {
		return left, err
	}
	next := Cursor{End: len(page) < r.size}
	if !next.End {
		next.After = page[len(page)-1].Key
	}
	changes, err = r.tx.Changes(ctx, r.source, next, r.size)
	if err != nil || len(changes) == r.size {
		return counting, err
	}
	for _, item := range page {
		r.sums.add(item, r.zone, 1)
	}
	*c = next
	if !next.End {
		left = counting
	}
	return left, r.add(ctx, changes, page)
}

// add counts changes, but not those of rows behind the cursor and those that the page
// has seen, and forgets all of them.
func (r reader) add(ctx context.Context, changes []Change, page []Item) error {
	if len(changes) == 0 {
		return nil
	}
	versions := make(map[Key]int64, len(page))
	for _, item := range page {
		versions[item.Key] = item.Version
	}
	ids := make([]string, len(changes))
	for i, change := range changes {
		ids[i] = change.ID
		version, seen := versions[change.Now.Key]
		if change.Behind || seen && change.Now.Version <= version {
			continue
		}
		if change.Was != nil {
			r.sums.add(change.Was, r.zone, -1)
		}
		r.sums.add(change.Now, r.zone, 1)
	}
	return r.tx.Forget(ctx, r.source, ids)
}
