package member

import (
	"context"
	"errors"
	"fmt"

	"github.com/addcard/addcard/internal/audit"
	"github.com/addcard/addcard/internal/ledger"
)

// MaxField is how many bytes WeChat takes in a custom field.
const MaxField = 12

// FieldChange changes the three custom fields on a card's face: nil keeps a field,
// empty clears it. Notify notifies the holder of those that change.
type FieldChange struct {
	Values [3]*string
	Notify bool
}

// SetFields changes the custom fields of a card and returns all three. The card
// must be in a wallet, or deleted from one and restorable. SetFields returns
// ledger.ErrCodeUnknown or ledger.ErrNotHeld otherwise.
func (s *Service) SetFields(ctx context.Context, cardID, code string, change FieldChange) (fields [3]string, err error) {
	err = s.write(ctx, func(ctx context.Context, tx Tx) error {
		c, err := tx.Card(ctx, cardID, code)
		switch {
		case errors.Is(err, ErrNotFound):
			return ledger.ErrCodeUnknown
		case err != nil:
			return err
		case c.Status == Issued || c.Ended():
			return ledger.ErrNotHeld
		}
		fields = change.apply(c.Fields)
		c.Fields = fields
		if err := Save(ctx, tx, c); err != nil {
			return err
		}
		return AddPending(ctx, tx, c, change.pending())
	})
	if err != nil {
		return fields, fmt.Errorf("set fields of card %s: %w", cardID, err)
	}
	for i, value := range change.Values {
		if value != nil {
			audit.Note(ctx, fmt.Sprintf("custom_field%d", i+1), nil, nil)
		}
	}
	s.wake()
	return fields, nil
}

func (f FieldChange) apply(fields [3]string) [3]string {
	for i, v := range f.Values {
		if v != nil {
			fields[i] = *v
		}
	}
	return fields
}

func (f FieldChange) pending() (p ledger.PendingUpdates) {
	for i, v := range f.Values {
		if v != nil {
			p |= ledger.PendingField(i, f.Notify)
		}
	}
	return p
}
