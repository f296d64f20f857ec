package membertest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/member"
)

// tellTests is the part of the suite about what WeChat has to be told.
var tellTests = map[string]func(*testing.T, member.Store){
	"what is owed is told once":                     owed,
	"what was told can be taken back":               untold,
	"an entry shows how far it was told":            pushState,
	"the next entry that waits is found":            next,
	"messages are taken back by kind":               recalled,
	"messages are listed page by page":              messagePages,
	"a message is hastened or discarded":            hastened,
	"a message keeps the ID that it was given once": givenID,
}

func owed(t *testing.T, s member.Store) {
	enrolled(t, s, "m1")
	add(t, s, member.Card{CardID: "c1", Code: "A1", MemberID: "m1", Status: member.Claimed})
	wantUntold(t, s, 0)
	first, second := booked(t, s, member.Booking{AddBonus: 1}, ""), booked(t, s, member.Booking{AddBonus: 1}, "")
	if first.Told || second.Told {
		t.Error("entries of a claimed card count as told")
	}
	write(t, s, func(ctx context.Context, tx member.Tx) error {
		return errors.Join(tx.Owe(ctx, "c1", "A1", 5), tx.Owe(ctx, "c1", "A1", 9), tx.Owe(ctx, "c1", "A1", 0))
	})
	wantUntold(t, s, 13, first.ID, second.ID)
	wantUntold(t, s, 0)

	c := card(t, s, "c1", "A1")
	c.Status = member.Active
	update(t, s, c, true)
	if third := booked(t, s, member.Booking{AddBonus: 1}, ""); !third.Told {
		t.Error("an entry of an active card does not count as told")
	}
	wantUntold(t, s, 0)
}

func wantUntold(t *testing.T, s member.Store, due member.Due, ids ...string) {
	t.Helper()
	write(t, s, func(ctx context.Context, tx member.Tx) error {
		got, gotDue, err := tx.Untold(ctx, "c1", "A1")
		if !slices.Equal(got, ids) || gotDue != due {
			t.Errorf("untold: got %v and %b, want %v and %b", got, gotDue, ids, due)
		}
		return err
	})
}

func untold(t *testing.T, s member.Store) {
	holder(t, s)
	var ids []string
	for range 3 {
		ids = append(ids, booked(t, s, member.Booking{AddBonus: 1}, "").ID)
	}
	untell := func(seq int64) {
		write(t, s, func(ctx context.Context, tx member.Tx) error { return tx.Untell(ctx, "c1", "A1", seq) })
	}
	untell(3)
	untell(2)
	untell(3) // less is owed already
	if p := booked(t, s, member.Booking{AddBonus: 1}, ""); p.Told {
		t.Error("an entry counts as told although one before it does not")
	} else {
		ids = append(ids, p.ID)
	}
	wantUntold(t, s, 0, ids[1:]...)
}

func pushState(t *testing.T, s member.Store) {
	holder(t, s)
	var ids []string
	for range 4 {
		ids = append(ids, booked(t, s, member.Booking{AddBonus: 1}, "").ID)
	}
	enqueue(t, s, member.Message{ID: ids[0], CardID: "c1", Code: "A1", Kind: "k", Payload: "0"})
	end(t, s, bury, wantTaken(t, s, "A1/0")[0], true)
	enqueue(t, s, member.Message{ID: ids[2], CardID: "c1", Code: "A1", Kind: "k", Payload: "2"})
	write(t, s, func(ctx context.Context, tx member.Tx) error { return tx.Untell(ctx, "c1", "A1", 4) })
	list, err := s.Entries(t.Context(), "c1", "A1", 0, 9)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []member.Push{member.PushHeld, member.PushWait, member.PushSent, member.PushDead} {
		if list[i].Push != want {
			t.Errorf("entry %d: got %s, want %s", list[i].Seq, list[i].Push, want)
		}
	}
}

func next(t *testing.T, s member.Store) {
	holder(t, s)
	var ids []string
	for range 3 {
		id := booked(t, s, member.Booking{AddBonus: 1}, "").ID
		ids = append(ids, id)
		enqueue(t, s, message("A1", "between"+id), member.Message{ID: id, CardID: "c1", Code: "A1", Kind: "entry", Payload: id})
	}
	for _, want := range []string{ids[0], ids[1], ids[1], ids[2], ids[2], ""} {
		taken, err := s.Take(t.Context(), "l", time.Hour, 1)
		if err != nil || len(taken) != 1 {
			t.Fatalf("got %+v, %v", taken, err)
		}
		e, err := s.Next(t.Context(), taken[0])
		if missing := errors.Is(err, member.ErrNotFound); e.ID != want && !missing || missing != (want == "") {
			t.Errorf("behind %s: got %+v, %v, want %s", taken[0].Payload, e, err, want)
		}
		end(t, s, finish, taken[0], true)
	}
}

func recalled(t *testing.T, s member.Store) {
	other := message("A", "4")
	other.Kind = "other"
	third := message("A", "3")
	third.Kind = "third"
	enqueue(t, s, message("A", "1"), message("A", "2"), message("B", "1"), third, other)
	end(t, s, bury, wantTakenOne(t, s, "A"), true)
	write(t, s, func(ctx context.Context, tx member.Tx) error {
		got, err := tx.Recall(ctx, "c1", "A", []string{"other", "k", "none"})
		if len(got) != 2 || got[0].Payload != "2" || got[1].Payload != "4" || got[1].Kind != "other" || got[0].Code != "A" {
			t.Errorf("got %+v", got)
		}
		return err
	})
	if b, err := s.Waiting(t.Context()); b.Waiting != 2 || b.Dead != 1 || err != nil {
		t.Errorf("left: %+v, %v", b, err)
	}
}

// wantTakenOne takes until it gets a message of that card, and keeps the others.
func wantTakenOne(t *testing.T, s member.Store, code string) member.Message {
	t.Helper()
	taken, _ := take(t, s, "l", 10)
	for _, m := range taken {
		if m.Code == code {
			return m
		}
	}
	t.Fatalf("none of %+v", taken)
	return member.Message{}
}

func messagePages(t *testing.T, s member.Store) {
	for i := range 7 {
		enqueue(t, s, message(fmt.Sprint("C", i), fmt.Sprint(i)))
	}
	taken, _ := take(t, s, "l", 3)
	for _, m := range taken[:2] {
		end(t, s, bury, m, true)
	}
	end(t, s, postpone(time.Hour), taken[2], true)
	for state, want := range map[string]int{"": 7, member.MessageDead: 2, member.MessageWaits: 5} {
		for size := 1; size <= 8; size++ {
			var got []member.Queued
			for after := (member.MessageMark{}); ; {
				page, err := s.Messages(t.Context(), state, after, size)
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, page...)
				if len(page) < size {
					break
				}
				after = page[size-1].Mark()
			}
			if len(got) != want {
				t.Errorf("%q, pages of %d: %d messages, want %d", state, size, len(got), want)
			}
			for i, q := range got {
				if wants := q.State == member.MessageWaits; state == "" && wants != (i >= 2) {
					t.Errorf("message %d: %+v, want the parked first", i, q)
				}
				if q.State == member.MessageDead && (q.LastError != "why" || q.Attempts != 1) {
					t.Errorf("parked: %+v", q)
				}
				if q.CreatedAt.IsZero() || q.ID == "" || q.Kind != "k" {
					t.Errorf("message: %+v", q)
				}
			}
		}
	}
}

func hastened(t *testing.T, s member.Store) {
	enqueue(t, s, message("A", "1"))
	end(t, s, postpone(time.Hour), wantTaken(t, s, "A/1")[0], true)
	list, err := s.Messages(t.Context(), "", member.MessageMark{}, 9)
	if err != nil || len(list) != 1 || list[0].DueAt.Before(list[0].CreatedAt.Add(time.Hour)) {
		t.Fatalf("got %+v, %v", list, err)
	}
	id := list[0].ID
	write(t, s, func(ctx context.Context, tx member.Tx) error {
		return errors.Join(tx.Discard(ctx, id), tx.Hasten(ctx, id)) // it is not parked: it stays
	})
	m := wantTaken(t, s, "A/1")[0]
	end(t, s, bury, m, true)
	write(t, s, func(ctx context.Context, tx member.Tx) error {
		if q, err := tx.Message(ctx, id); q.State != member.MessageDead || q.Payload != "1" || q.Code != "A" || err != nil {
			t.Errorf("parked: %+v, %v", q, err)
		}
		if err := errors.Join(tx.Hasten(ctx, id), tx.Discard(ctx, id)); err != nil {
			return err
		}
		if _, err := tx.Message(ctx, id); !errors.Is(err, member.ErrNotFound) {
			t.Errorf("discarded: %v", err)
		}
		return nil
	})
}

func givenID(t *testing.T, s member.Store) {
	m := message("A", "1")
	m.ID = "an-id"
	enqueue(t, s, m, m)
	if taken := wantTaken(t, s, "A/1"); taken[0].ID != "an-id" || taken[0].Seq == 0 || taken[0].Started {
		t.Errorf("got %+v", taken)
	}
	started := message("B", "1")
	started.Started = true
	enqueue(t, s, started)
	if taken := wantTaken(t, s, "B/1"); !taken[0].Started {
		t.Errorf("got %+v, want it started", taken)
	}
}
