package admin_test

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/addcard/addcard/internal/audit"
	"github.com/addcard/addcard/internal/shop"
	"github.com/addcard/addcard/internal/staff"
)

// The tokens of two people of the staff.
const (
	managerToken = "addcard_managerAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	cashierToken = "addcard_cashierAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
)

// backroom stands in for the staff and for the settings of the shop.
type backroom struct {
	office   *office
	settings shop.Settings
}

func (b *backroom) Identify(_ context.Context, kind staff.Kind, secret string) (staff.Identity, error) {
	switch {
	case kind != staff.Token:
	case secret == managerToken:
		return staff.Identity{PersonID: "m-1", Name: "Zoe", Role: staff.Manager}, nil
	case secret == cashierToken:
		return staff.Identity{PersonID: "c-1", Name: "Max", Role: staff.Cashier}, nil
	}
	return staff.Identity{}, staff.ErrUnknown
}

func (b *backroom) People(context.Context) ([]staff.Person, error) {
	return []staff.Person{{ID: "owner", Name: "owner", Role: staff.Owner}}, b.office.call("people of the staff")
}

func (b *backroom) Add(_ context.Context, name string, role staff.Role) (staff.Person, error) {
	return staff.Person{ID: "p-1", Name: name, Role: role}, b.office.call("add staff", name, role)
}

func (b *backroom) Remove(_ context.Context, id string) (staff.Person, error) {
	return staff.Person{ID: id, Name: "Max", Role: staff.Cashier}, b.office.call("remove staff", id)
}

func (b *backroom) NewLink(_ context.Context, id string) (string, staff.Key, error) {
	return "a-secret-link", staff.Key{ID: "k-1", Kind: staff.Link}, b.office.call("link", id)
}

func (b *backroom) NewToken(_ context.Context, id, label string) (string, staff.Key, error) {
	return "a-secret-token", staff.Key{ID: "k-2", Kind: staff.Token, Label: label}, b.office.call("token", id, label)
}

func (b *backroom) Revoke(_ context.Context, id, keyID string) error {
	return b.office.call("revoke", id, keyID)
}

func (b *backroom) Settings(context.Context) (shop.Settings, error) {
	return b.settings, b.office.call("shop settings")
}

func (b *backroom) Change(_ context.Context, change func(*shop.Settings)) (shop.Settings, error) {
	change(&b.settings)
	return b.settings, b.office.call("change the shop", b.settings)
}

// records is the audit log, in memory.
type records struct {
	office *office
	err    error // of Begin

	mu   sync.Mutex
	list []audit.Record
}

func (r *records) Begin(_ context.Context, record audit.Record) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return r.err
	}
	record.At = time.UnixMilli(int64(len(r.list) + 1))
	record.Result = audit.Unknown
	r.list = append(r.list, record)
	return nil
}

func (r *records) End(_ context.Context, id string, o audit.Outcome) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.list {
		if r.list[i].ID == id {
			r.list[i].Outcome = o
		}
	}
	return nil
}

func (r *records) List(_ context.Context, f audit.Filter, after audit.Mark, n int) (page []audit.Record, err error) {
	if err := r.office.call("audit"); err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, record := range slices.Backward(r.list) {
		if (after == audit.Mark{} || record.At.Before(after.At)) && len(page) < n && (f.Actor == "" || f.Actor == record.Actor) {
			page = append(page, record)
		}
	}
	return page, err
}

func (r *records) service() *audit.Service {
	return audit.New(r, slog.New(slog.DiscardHandler))
}
