package admin

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"

	"github.com/addcard/addcard/internal/httpapi/internal/web"
	"github.com/addcard/addcard/internal/ledger"
)

// Booking is what an entry is asked for with. It is hashed, with its defaults filled
// in, to find out whether a key comes with the same request again: a new field must be
// omitted while it is empty, and come last. The flags are pointers because of huma's
// defaults: it would take a plain false for a missing field.
type Booking struct {
	AddBonus      int64  `json:"add_bonus,omitempty" minimum:"-1000000000000" maximum:"1000000000000" doc:"Points to add, below 0 to take away."`
	AddBalance    int64  `json:"add_balance,omitempty" minimum:"-1000000000000" maximum:"1000000000000" doc:"Fen (分) to add, below 0 to take away. None can be added to a card that shows no balance."`
	RecordBonus   string `json:"record_bonus,omitempty" doc:"What the holder reads about it; at most 42 bytes, 14 汉字."`
	RecordBalance string `json:"record_balance,omitempty" doc:"What the holder reads about it; at most 42 bytes, 14 汉字."`
	NotifyBonus   *bool  `json:"notify_bonus,omitempty" default:"true" doc:"Whether WeChat sends the holder a message about the bonus, if that changes."`
	NotifyBalance *bool  `json:"notify_balance,omitempty" default:"true" doc:"Whether WeChat sends the holder a message about the balance, if that changes."`
	Reverses      string `json:"reverses,omitempty" maxLength:"64" doc:"The id of an entry of this card to undo, instead of amounts."`
	Partial       bool   `json:"partial,omitzero" doc:"With reverses: if what the entry added was spent, take back what is left. The entry counts as reversed then."`
	Store         string `json:"store,omitempty" doc:"Your name of the store, at most 64 bytes. Only the operator sees it."`
	Order         string `json:"order,omitempty" doc:"Your number of the order, at most 64 bytes. Only the operator sees it."`
	Actor         string `json:"actor,omitempty" doc:"Who books it, at most 64 bytes: a till passes its cashier's name. By default, and for all but the owner, it is whose token the request has. Only the operator sees it."`
	OncePerOrder  bool   `json:"once_per_order,omitzero" doc:"With order: refuse the entry (order_booked) if the card has one of this order that was not reversed, whoever booked it."`
}

// check returns what a schema cannot describe. Fields are named after at.
func (b *Booking) check(at string) (wrong web.InputErrors) {
	bad := func(field, message string) {
		wrong = append(wrong, web.FieldError{Location: at + field, Message: message})
	}
	changes := b.AddBonus != 0 || b.AddBalance != 0
	switch {
	case b.Reverses != "" && changes:
		bad("reverses", "must be alone: it adds the opposite of that entry")
	case b.OncePerOrder && (b.Order == "" || b.Reverses != ""):
		bad("once_per_order", "is only for an entry with an order that reverses no other")
	case b.Reverses == "" && b.Partial:
		bad("partial", "is only for an entry that reverses another")
	case b.Reverses == "" && !changes:
		bad("add_bonus", "an entry that changes nothing is refused")
	}
	for _, text := range []struct {
		name, value string
		most        int
	}{
		{"record_bonus", b.RecordBonus, ledger.MaxRecord}, {"record_balance", b.RecordBalance, ledger.MaxRecord},
		{"reverses", b.Reverses, len(b.Reverses)},
		{"store", b.Store, ledger.MaxLabel}, {"order", b.Order, ledger.MaxLabel}, {"actor", b.Actor, ledger.MaxLabel},
	} {
		if message := web.CheckText(text.value, text.most); message != "" {
			bad(text.name, message)
		}
	}
	return wrong
}

func (b *Booking) booking() ledger.Booking {
	return ledger.Booking{
		AddBonus: b.AddBonus, AddBalance: b.AddBalance, RecordBonus: b.RecordBonus, RecordBalance: b.RecordBalance,
		NotifyBonus: *b.NotifyBonus, NotifyBalance: *b.NotifyBalance, Reverses: b.Reverses, Partial: b.Partial,
		Store: b.Store, Order: b.Order, OncePerOrder: b.OncePerOrder,
	}
}

// actor returns who books b. Only the owner may name another actor: a till that has
// the ADMIN_TOKEN serves many cashiers.
func (b *Booking) actor(ctx context.Context, at string) (string, error) {
	who := web.PrincipalOf(ctx)
	if b.Actor != "" && b.Actor != who.Name && who.Role != web.Owner {
		return "", web.InputErrors{{Location: at + "actor", Message: "only the owner may name another actor"}}
	}
	return cmp.Or(b.Actor, who.Name), nil
}

// OperatorEntry adds to an entry what only the operator sees.
type OperatorEntry struct {
	web.Entry
	Actor string `json:"actor,omitempty" doc:"Who booked it."`
	Store string `json:"store,omitempty"`
	Order string `json:"order,omitempty"`
}

func operatorEntryOf(e ledger.Entry) OperatorEntry {
	return OperatorEntry{web.EntryOf(e), e.Actor, e.Store, e.Order}
}

type entryAnswer struct {
	Entry          OperatorEntry `json:"entry"`
	MissingBonus   int64         `json:"missing_bonus,omitzero" doc:"What a partial reversal could not take back."`
	MissingBalance int64         `json:"missing_balance,omitzero" doc:"What a partial reversal could not take back, in fen (分)."`
}

// showsNoBalance reports whether the catalogue has the card, as one without a balance.
func (a *api) showsNoBalance(ctx context.Context, cardID string) bool {
	kind, err := a.Cards.Get(ctx, cardID)
	return err == nil && !kind.SupplyBalance
}

// book adds the entry that b asks for. All routes share the scope of a key, which is
// the route of one card's entries. Fields are named after at.
func (a *api) book(ctx context.Context, cardID, code, key string, b *Booking, at string) (answer []byte, replayed bool, err error) {
	payload, err := web.Marshal(b)
	if err != nil {
		return nil, false, err
	}
	actor, err := b.actor(ctx, at)
	if err != nil {
		return nil, false, err
	}
	limits, err := a.limits(ctx)
	if err != nil {
		return nil, false, err
	}
	hash := sha256.Sum256(payload)
	answer, replayed, err = a.Ledger.AddEntry(ctx, cardID, code, b.booking(), ledger.Request{
		ID: web.RequestID(ctx), Key: key, Payload: hex.EncodeToString(hash[:]), Actor: actor, Limits: limits,
		NoBalance: b.AddBalance > 0 && a.showsNoBalance(ctx, cardID),
		Route:     fmt.Sprintf("%s /v1/cards/%s/codes/%s/entries", http.MethodPost, cardID, code),
		Answer: func(e ledger.Entry) ([]byte, error) {
			return web.Marshal(entryAnswer{operatorEntryOf(e), e.MissingBonus, e.MissingBalance})
		},
	})
	switch {
	case errors.Is(err, ledger.ErrEntryUnknown):
		return nil, false, web.InputErrors{{Location: at + "reverses", Message: "no entry of this card"}}
	case errors.Is(err, ledger.ErrNoBalance):
		return nil, false, web.InputErrors{{Location: at + "add_balance", Message: "the card shows no balance (supply_balance)"}}
	case errors.Is(err, ledger.ErrTooMuch):
		return nil, false, web.InputErrors{{Location: at[:len(at)-1], Message: "the total would be too large"}}
	}
	return answer, replayed, err
}
