// Package shop has the settings that belong to the shop as a whole: how many points a
// purchase earns, and how much a cashier may book.
package shop

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/addcard/addcard/internal/audit"
)

// Settings are the settings of the shop.
type Settings struct {
	// PointsPer100Yuan are the points for a purchase of 100 yuan: 100 is a point for
	// each yuan, 10 one for ten.
	PointsPer100Yuan int64 `json:"points_per_100_yuan"`
	// Cashier bounds what one cashier books.
	Cashier Limits `json:"cashier"`
}

// UndoTime is how long a cashier may undo an entry of their own.
const UndoTime = 10 * time.Minute

// Limits bound what is given, and likewise what is taken, in one entry and in one day
// of the shop. The balance is in fen (分). 0 is nothing.
type Limits struct {
	BonusPerEntry   int64 `json:"bonus_per_entry"`
	BonusPerDay     int64 `json:"bonus_per_day"`
	BalancePerEntry int64 `json:"balance_per_entry"`
	BalancePerDay   int64 `json:"balance_per_day"`
}

// Default returns the settings of a shop that has changed none.
func Default() Settings {
	return Settings{
		PointsPer100Yuan: 100,
		Cashier:          Limits{BonusPerEntry: 1_000, BonusPerDay: 10_000, BalancePerEntry: 100_000, BalancePerDay: 1_000_000},
	}
}

// Points returns the points for a purchase, rounded down. The amount is in fen.
func (s Settings) Points(fen int64) int64 { return fen * s.PointsPer100Yuan / 10_000 }

// ErrNotFound is returned by a Store that has no settings yet.
var ErrNotFound = errors.New("shop: no settings")

// Store keeps the settings as JSON. It is safe for concurrent use.
type Store interface {
	// Settings returns the settings, or ErrNotFound.
	Settings(ctx context.Context) (json.RawMessage, error)
	// Change replaces the settings by what change makes of them, of nil if there are
	// none, in one transaction. change may be called more than once.
	Change(ctx context.Context, change func(now json.RawMessage) (json.RawMessage, error)) error
}

// Service reads and changes the settings. It is safe for concurrent use.
type Service struct{ store Store }

// New returns a Service on store.
func New(store Store) *Service { return &Service{store} }

// Settings returns the settings. What was never set has its default.
func (s *Service) Settings(ctx context.Context) (Settings, error) {
	stored, err := s.store.Settings(ctx)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return Settings{}, err
	}
	return parse(stored)
}

// Change calls change with the settings and stores what it leaves. change may be
// called more than once.
func (s *Service) Change(ctx context.Context, change func(*Settings)) (after Settings, err error) {
	var before Settings
	err = s.store.Change(ctx, func(now json.RawMessage) (_ json.RawMessage, err error) {
		if before, err = parse(now); err != nil {
			return nil, err
		}
		after = before
		change(&after)
		return json.Marshal(after)
	})
	if err != nil {
		return Settings{}, fmt.Errorf("change the shop's settings: %w", err)
	}
	before.note(ctx, after)
	return after, nil
}

// note adds to the audit log what differs between s and after.
func (s Settings) note(ctx context.Context, after Settings) {
	for _, c := range []struct {
		name    string
		was, is int64
	}{
		{"points_per_100_yuan", s.PointsPer100Yuan, after.PointsPer100Yuan},
		{"cashier.bonus_per_entry", s.Cashier.BonusPerEntry, after.Cashier.BonusPerEntry},
		{"cashier.bonus_per_day", s.Cashier.BonusPerDay, after.Cashier.BonusPerDay},
		{"cashier.balance_per_entry", s.Cashier.BalancePerEntry, after.Cashier.BalancePerEntry},
		{"cashier.balance_per_day", s.Cashier.BalancePerDay, after.Cashier.BalancePerDay},
	} {
		if c.was != c.is {
			audit.Note(ctx, c.name, c.was, c.is)
		}
	}
}

func parse(stored json.RawMessage) (Settings, error) {
	s := Default()
	if len(stored) == 0 {
		return s, nil
	}
	if err := json.Unmarshal(stored, &s); err != nil {
		return Settings{}, fmt.Errorf("read the shop's settings: %w", err)
	}
	return s, nil
}
