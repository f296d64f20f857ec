package membertest

import (
	"context"
	"maps"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/member"
)

func eventOnce(t *testing.T, s member.Store) {
	for i, want := range []bool{true, false, false} {
		write(t, s, func(ctx context.Context, tx member.Tx) error {
			e := member.Event{DedupeKey: "k1", Name: "user_get_card", CardID: "c1", Code: "A1", At: time.Unix(1, 0)}
			if i == 2 { // an event is identified by the key alone
				e.Code = "A2"
			}
			added, err := tx.AddEvent(ctx, e)
			if added != want {
				t.Errorf("delivery %d: got %v, want %v", i, added, want)
			}
			return err
		})
	}
}

func eventRoundTrip(t *testing.T, s member.Store) {
	want := member.Event{
		DedupeKey: "k1", Name: "user_get_card", CardID: "c1", Code: "A1", OpenID: "oA-_z", UnionID: "u",
		At: time.Unix(1795400000, 0).UTC(), OuterStr: "店 42 <&>'\"\\", Restored: true, OldCode: "A0", FriendOpenID: "oB",
		Fields: map[string]string{"CardId": "c1", "姓名": "明 🎂\n\u2028", "": "empty"},
	}
	write(t, s, func(ctx context.Context, tx member.Tx) error {
		if _, err := tx.AddEvent(ctx, want); err != nil {
			return err
		}
		got, err := tx.Event(ctx, "k1")
		if !maps.Equal(got.Fields, want.Fields) {
			t.Errorf("fields: got %q, want %q", got.Fields, want.Fields)
		}
		got.Fields, want.Fields = nil, nil
		if g, w := printed(got), printed(want); g != w {
			t.Errorf("got  %s\nwant %s", g, w)
		}
		return err
	})
}

func oneDelivery(t *testing.T, s member.Store) {
	outcomes := make(chan bool, 16)
	each(t, cap(outcomes), func() (string, error) {
		var added bool
		err := s.Write(t.Context(), func(ctx context.Context, tx member.Tx) (err error) {
			added, err = tx.AddEvent(ctx, member.Event{DedupeKey: "k1", At: time.Unix(1, 0)})
			return err
		})
		outcomes <- added
		return "", err
	})
	close(outcomes)
	n := 0
	for added := range outcomes {
		if added {
			n++
		}
	}
	if n != 1 {
		t.Errorf("added %d times, want once", n)
	}
}
