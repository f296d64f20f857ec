package member

import (
	"context"
	"fmt"
)

// MaxField is how many bytes WeChat takes in a custom field.
const MaxField = 12

// FieldChange is what becomes of the three custom fields on a card's face: nil
// stays, empty clears. Notify tells the holder of those that change.
type FieldChange struct {
	Values [3]*string
	Notify bool
}

// SetFields changes the custom fields of a card that is held, or was held and
// may be restored, and returns all three. Errors: ErrCodeUnknown, ErrNotHeld.
func (s *Service) SetFields(ctx context.Context, cardID, code string, change FieldChange) (fields [3]string, err error) {
	err = s.write(ctx, func(ctx context.Context, tx Tx) error {
		c, err := cardThere(ctx, tx, cardID, code)
		if err != nil {
			return err
		}
		if c.Status == Issued || c.over() {
			return ErrNotHeld
		}
		fields = change.apply(c.Fields)
		c.Fields = fields
		if err := put(ctx, tx, c); err != nil {
			return err
		}
		return owe(ctx, tx, c, change.due())
	})
	if err != nil {
		return fields, fmt.Errorf("set fields of card %s: %w", cardID, err)
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

func (f FieldChange) due() (d Due) {
	for i, v := range f.Values {
		if v != nil {
			d |= 1 << i
		}
	}
	if f.Notify {
		d |= d << noticeBits
	}
	return d
}
