package card_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/card"
	"github.com/addcard/addcard/internal/card/sqlstore"
)

// leaver is a merchant whose operator leaves while a code is being ended.
type leaver struct {
	*merchant
	leave func()
}

func (m leaver) MakeUnavailable(context.Context, string, string, string) error {
	m.leave()
	return nil
}

// What WeChat has done is recorded though the operator does not wait for it.
func TestUnavailable_IsRecordedThoughItsCallerHasLeft(t *testing.T) {
	t.Parallel()
	creationBubble(t, func(t *testing.T, s *sqlstore.Store) {
		ctx, leave := context.WithCancel(t.Context())
		m := leaver{&merchant{}, leave}
		var recorded string
		o := card.NewOperator(card.New(m, s, noLog), m, func(ctx context.Context, cardID, code string) error {
			recorded = cardID + " " + code
			return ctx.Err()
		}, noLog)
		if err := o.Unavailable(ctx, "p1", "1", ""); err != nil || recorded != "p1 1" {
			t.Errorf("recorded %q, %v", recorded, err)
		}
	})
}

// shown is a merchant with one card, and counts what is changed about it.
type shown struct {
	*merchant
	status  card.Status
	changes int
}

func (s *shown) RawCard(_ context.Context, id string) (card.Card, json.RawMessage, error) {
	return card.Card{ID: id, Status: s.status},
		json.RawMessage(`{"card_type":"MEMBER_CARD","member_card":{"prerogative":"甲","base_info":{"title":"a","get_limit":1}}}`), nil
}

func (s *shown) UpdateCard(context.Context, string, json.RawMessage) (bool, error) {
	s.changes++
	return true, nil
}

func TestUpdate_ALiveCardGoesToReviewOnlyOnPurpose(t *testing.T) {
	t.Parallel()
	creationBubble(t, func(t *testing.T, s *sqlstore.Store) {
		for _, c := range []struct {
			status  card.Status
			change  string
			refused bool
		}{
			{card.Verified, `{"prerogative":"乙"}`, true},
			{card.Dispatched, `{"prerogative":"乙"}`, true},
			{card.Verified, `{"background_pic_url":"new.png"}`, true},
			{card.Verified, `{"base_info":{"title":"b","get_limit":2}}`, true},
			{card.Verified, `{"wallpaper":"b"}`, true},
			{card.Verified, `{"base_info":{"title":"a","get_limit":2}}`, false},
			{card.Verified, `{"discount":10}`, false},
			{card.NotVerified, `{"prerogative":"乙"}`, false},
			{card.VerifyFailed, `{"prerogative":"乙"}`, false},
		} {
			m := &shown{merchant: &merchant{}, status: c.status}
			o := newOperator(m, s, noLog)
			doc := card.Document{JSON: []byte(c.change), KeepLive: true, Picture: func(string) ([]byte, error) { return png, nil }}
			_, err := o.Update(t.Context(), "p1", doc)
			if errors.Is(err, card.ErrReview) != c.refused || m.changes == 1 == c.refused || c.refused && m.uploads > 0 {
				t.Errorf("%+v: %v, %d changes, %d uploads", c, err, m.changes, m.uploads)
			}
			doc.KeepLive = false
			if _, err := o.Update(t.Context(), "p1", doc); errors.Is(err, card.ErrReview) || m.changes == 0 {
				t.Errorf("%+v, on purpose: %v, %d changes", c, err, m.changes)
			}
		}
	})
}

func TestCreate_OnceADayUnlessOnPurpose(t *testing.T) {
	t.Parallel()
	creationBubble(t, func(t *testing.T, s *sqlstore.Store) {
		m := &merchant{}
		o := newOperator(m, s, noLog)
		create := func(benefits string, once bool) (string, error) {
			time.Sleep(time.Second)
			doc := document(benefits)
			doc.Once = once
			return o.Create(t.Context(), doc)
		}
		if id, err := create("a", true); id != "p0" || err != nil {
			t.Fatalf("got %q, %v", id, err)
		}
		var twin *card.TwinError
		uploads := m.uploads
		if _, err := create("a", true); !errors.As(err, &twin) || twin.CardID != "p0" || m.count() != 1 || m.uploads != uploads {
			t.Errorf("the same again: %v, %d cards, %d uploads", err, m.count(), m.uploads)
		}
		if id, err := create("b", true); id != "p1" || err != nil {
			t.Errorf("another card: %q, %v", id, err)
		}
		if id, err := create("a", false); id != "p2" || err != nil {
			t.Errorf("on purpose: %q, %v", id, err)
		}
		time.Sleep(25 * time.Hour)
		if id, err := create("a", true); id != "p3" || err != nil {
			t.Errorf("a day later: %q, %v", id, err)
		}
	})
}
