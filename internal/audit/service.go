package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/addcard/addcard/internal/sheet"
)

// Service records actions and lists them. It is safe for concurrent use.
type Service struct {
	store Store
	log   *slog.Logger
}

// New returns a Service on store.
func New(store Store, log *slog.Logger) *Service { return &Service{store, log} }

// Action is an action in progress.
type Action struct {
	service *Service
	id      string
	once    sync.Once
	mu      sync.Mutex
	changes []Change
}

type actionKey struct{}

// Begin records that an action begins. If it returns an error, the caller must not do
// it. In the context that it returns, [Note] adds to the record.
func (s *Service) Begin(ctx context.Context, from Origin, action string, on Target) (context.Context, *Action, error) {
	a := &Action{service: s, id: newID()}
	err := s.store.Begin(ctx, Record{ID: a.id, Origin: from, Action: action, Target: on})
	if err != nil {
		return ctx, nil, fmt.Errorf("record %s: %w", action, err)
	}
	return context.WithValue(ctx, actionKey{}, a), a, nil
}

// newID returns an ID that is greater than those before it.
func newID() string { return uuid.Must(uuid.NewV7()).String() }

// Note adds a change to the record of the action that ctx belongs to, if there is one.
// The values must be what JSON has: before is nil for what was not there, and after
// for what is not there any more. They are cut to 500 bytes each.
func Note(ctx context.Context, field string, before, after any) {
	a, _ := ctx.Value(actionKey{}).(*Action)
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	const most = 50
	if len(a.changes) < most {
		a.changes = append(a.changes, Change{field, cut(before), cut(after)})
	}
}

// cut returns a value that is not long.
func cut(value any) any {
	const most = 500
	text, err := json.Marshal(value)
	if err != nil || len(text) <= most {
		return value
	}
	return strings.ToValidUTF8(string(text[:most]), "") + "…"
}

// End records how the action has ended: well if problem is empty, or else with the
// problem that the client gets, which has changed nothing if refused is set. Only the
// first call counts. If the record cannot be written, the outcome stays unknown and
// the log says so: what was done cannot be undone for that.
func (a *Action) End(ctx context.Context, problem string, refused bool) {
	a.once.Do(func() {
		a.mu.Lock()
		changes := a.changes
		a.mu.Unlock()
		o := Outcome{Result: Done, Problem: problem}
		switch {
		case refused:
			o.Result = Refused
		case problem != "":
			o.Result = Failed
		}
		if len(changes) > 0 && !refused {
			o.Changes, _ = json.Marshal(changes) // cut has tried each
		}
		ctx := context.WithoutCancel(ctx) // the client may have gone
		if err := a.service.store.End(ctx, a.id, o); err != nil {
			a.service.log.WarnContext(ctx, "record the outcome of an operator's action: failed", "audit_id", a.id, "error", err)
		}
	})
}

// List returns up to n records that f selects, those after the mark, newest first.
func (s *Service) List(ctx context.Context, f Filter, after Mark, n int) ([]Record, error) {
	return s.store.List(ctx, f, after, n)
}

var header = []any{
	"time", "actor", "role", "source", "address", "action", "card_id", "code", "subject", "result", "problem", "changes", "request_id",
	"audit_id",
}

// Export writes the records that f selects, newest first, with times in zone, to be
// opened with a spreadsheet. It reads page by page and blocks on w.
func (s *Service) Export(ctx context.Context, w io.Writer, file sheet.File, f Filter, zone *time.Location) error {
	return sheet.Write(w, file, func(add sheet.Row) error {
		if err := add(header...); err != nil {
			return err
		}
		const page = 500
		for after := (Mark{}); ; {
			list, err := s.List(ctx, f, after, page)
			if err != nil {
				return err
			}
			for _, r := range list {
				if err := add(row(r, zone)...); err != nil {
					return err
				}
			}
			if len(list) < page {
				return nil
			}
			after = list[len(list)-1].Mark()
		}
	})
}

func row(r Record, zone *time.Location) []any {
	return []any{
		r.At.In(zone), r.Actor, sheet.Key(r.Role), sheet.Key(r.Source), r.Address, r.Action, sheet.Key(r.CardID), r.Code, r.Subject,
		sheet.Key(r.Result), r.Problem, string(r.Changes), r.RequestID, r.ID,
	}
}

// Mark returns the place of r.
func (r Record) Mark() Mark { return Mark{r.At, r.ID} }
