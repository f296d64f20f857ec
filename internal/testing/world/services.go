package world

import (
	"context"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/cardsync"
	cardsyncsql "github.com/addcard/addcard/internal/cardsync/sqlstore"
	"github.com/addcard/addcard/internal/ledger"
	ledgersql "github.com/addcard/addcard/internal/ledger/sqlstore"
	"github.com/addcard/addcard/internal/member"
	membersql "github.com/addcard/addcard/internal/member/sqlstore"
	"github.com/addcard/addcard/internal/outbox"
	outboxsql "github.com/addcard/addcard/internal/outbox/sqlstore"
	"github.com/addcard/addcard/internal/sqldb"
)

// Services are the services of one replica.
type Services struct {
	*Members
	*Ledger
	*Outbox
	*CardSync
	Stores Stores // that the services use
}

// The names of the services as fields of Services.
type (
	Members  = member.Service
	Ledger   = ledger.Service
	Outbox   = outbox.Service
	CardSync = cardsync.Service
)

// Stores are the stores of one replica.
type Stores struct {
	Outbox   outbox.Store
	Ledger   ledger.Store
	Members  member.Store
	CardSync cardsync.Store
}

// StoresOn returns stores on a database.
func StoresOn(db *sqldb.DB) Stores {
	return Stores{outboxsql.New(db), ledgersql.New(db), membersql.New(db), cardsyncsql.New(db)}
}

// NewServices returns the services of a replica.
func NewServices(s Stores, cards member.Catalogue, wechat cardsync.WeChat) (r Services) {
	r.Stores = s
	r.Outbox = outbox.New(s.Outbox, cardsync.RetryAs)
	r.Ledger = ledger.New(s.Ledger, r.Wake)
	r.Members = member.New(s.Members, member.Apps{MiniProgram: Mini, Official: Official}, cards, r.Wake)
	r.CardSync = cardsync.New(s.CardSync, r.Members, wechat)
	return r
}

// Enroll returns the ID of the member who has the openid.
func Enroll(t testing.TB, s *member.Service, appID, openID, unionID string) string {
	t.Helper()
	id, err := s.Enroll(t.Context(), appID, openID, unionID)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// IssueCode returns the member's code of a card, which is issued if there is none.
func IssueCode(t testing.TB, s *member.Service, memberID, cardID string) string {
	t.Helper()
	codes, err := s.Codes(t.Context(), memberID, []member.CodeRequest{{CardID: cardID}})
	if err != nil {
		t.Fatal(err)
	}
	return codes[0].Code
}

// StoreHooks are called around calls of the stores of one replica.
type StoreHooks struct {
	AfterLease  func()       // after a Lease that returned messages, before its answer
	BeforeWrite func() error // before each Write, which returns the error instead
}

// Wrap returns stores that call the hooks.
func (h *StoreHooks) Wrap(s Stores) Stores {
	return Stores{hookedOutbox{s.Outbox, h}, hookedLedger{s.Ledger, h}, hookedMembers{s.Members, h}, hookedCardSync{s.CardSync, h}}
}

func (h *StoreHooks) beforeWrite() error {
	if h.BeforeWrite == nil {
		return nil
	}
	return h.BeforeWrite()
}

type (
	hookedOutbox struct {
		outbox.Store
		hooks *StoreHooks
	}
	hookedLedger struct {
		ledger.Store
		hooks *StoreHooks
	}
	hookedMembers struct {
		member.Store
		hooks *StoreHooks
	}
	hookedCardSync struct {
		cardsync.Store
		hooks *StoreHooks
	}
)

func (s hookedOutbox) Lease(ctx context.Context, name string, time time.Duration, n int) ([]outbox.Message, error) {
	messages, err := s.Store.Lease(ctx, name, time, n)
	if len(messages) > 0 && s.hooks.AfterLease != nil {
		s.hooks.AfterLease()
	}
	return messages, err
}

func (s hookedOutbox) Write(ctx context.Context, fn func(context.Context, outbox.Tx) error) error {
	if err := s.hooks.beforeWrite(); err != nil {
		return err
	}
	return s.Store.Write(ctx, fn)
}

func (s hookedLedger) Write(ctx context.Context, fn func(context.Context, ledger.Tx) error) error {
	if err := s.hooks.beforeWrite(); err != nil {
		return err
	}
	return s.Store.Write(ctx, fn)
}

func (s hookedMembers) Write(ctx context.Context, fn func(context.Context, member.Tx) error) error {
	if err := s.hooks.beforeWrite(); err != nil {
		return err
	}
	return s.Store.Write(ctx, fn)
}

func (s hookedCardSync) Write(ctx context.Context, fn func(context.Context, cardsync.Tx) error) error {
	if err := s.hooks.beforeWrite(); err != nil {
		return err
	}
	return s.Store.Write(ctx, fn)
}
