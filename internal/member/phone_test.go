package member_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/sheet"
	"github.com/addcard/addcard/internal/testing/world"
)

// enrolled returns the member of an openid in the mini-program.
func enrolled(w *world.World, openID string) string {
	w.Helper()
	return world.Enroll(w, w.Members, world.Mini, openID, "")
}

func setPhone(w *world.World, memberID, number string, want error) {
	w.Helper()
	if err := w.SetPhone(w.Context(), memberID, number); !errors.Is(err, want) {
		w.Errorf("%s of %s: got %v, want %v", number, memberID, err, want)
	}
}

// holder checks which member a phone number finds.
func holder(w *world.World, typed, memberID string) {
	w.Helper()
	people, err := w.Find(w.Context(), typed, 10)
	if err != nil {
		w.Fatal(err)
	}
	var found []string
	for _, p := range people {
		found = append(found, p.ID)
	}
	if got := strings.Join(found, " "); got != memberID {
		w.Errorf("%s: found %q, want %q", typed, got, memberID)
	}
}

func TestSetPhone_ANumberBelongsToOneMember(t *testing.T) {
	runForms(t, func(w *world.World) {
		a, b := enrolled(w, "a"), enrolled(w, "b")
		setPhone(w, a, "+8613800138000", nil)
		setPhone(w, a, "+8613800138000", nil)
		setPhone(w, b, "+8613800138000", member.ErrPhoneTaken)
		holder(w, "138 0013 8000", a)
		setPhone(w, a, "+8613900139000", nil)
		holder(w, "13800138000", "")
		setPhone(w, b, "+8613800138000", nil)
		holder(w, "+86 13800138000", b)
		holder(w, "13900139000", a)
		setPhone(w, "unknown", "+8613700137000", member.ErrMemberUnknown)
		if p, err := w.Person(w.Context(), a); err != nil || p.Phone != "+8613900139000" {
			w.Errorf("got %q, %v", p.Phone, err)
		}
	})
}

// The number in a form is what a person typed, and proves nothing.
func TestSetPhone_AFormDoesNotKeepANumberFromItsOwner(t *testing.T) {
	runForms(t, func(w *world.World) {
		w.WeChat.Forms["s1"] = form("13800138000")
		submits(w, "o-a", "s1", 1)
		w.SendAll()
		holder(w, "13800138000", world.Enroll(w, w.Members, world.Official, "o-a", ""))
		setPhone(w, enrolled(w, "b"), "+8613800138000", nil)
	})
}

func TestSetPhone_OfManyAtOnceOneGetsTheNumber(t *testing.T) {
	runForms(t, func(w *world.World) {
		const n = 20
		var ids []string
		for i := range n {
			ids = append(ids, enrolled(w, fmt.Sprint("o", i)))
		}
		errs := make([]error, n)
		var wg sync.WaitGroup
		for i, id := range ids {
			wg.Go(func() { errs[i] = w.SetPhone(w.Context(), id, "+8613800138000") })
		}
		wg.Wait()
		taken := 0
		for _, err := range errs {
			if errors.Is(err, member.ErrPhoneTaken) {
				taken++
			} else if err != nil {
				w.Error(err)
			}
		}
		if taken != n-1 {
			w.Errorf("%d of %d were refused", taken, n)
		}
	})
}

// A number that an older key has indexed is the same number.
func TestSetPhone_OldKeysCount(t *testing.T) {
	runForms(t, func(w *world.World) {
		a, b := enrolled(w, "a"), enrolled(w, "b")
		setPhone(w, a, "+8613800138000", nil)
		w.SealForms(formKeys(t, 2, 1))
		setPhone(w, b, "+8613800138000", member.ErrPhoneTaken)
		holder(w, "13800138000", a)
		setPhone(w, a, "+8613800138000", nil) // now under the new key
		w.SealForms(formKeys(t, 2))
		holder(w, "13800138000", a)
		setPhone(w, b, "+8613800138000", member.ErrPhoneTaken)
		w.SealForms(formKeys(t, 3)) // the key is lost
		if p, err := w.Person(w.Context(), a); err != nil || p.Phone != "" {
			w.Errorf("without the key: %q, %v", p.Phone, err)
		}
	})
}

func TestSetPhone_WithoutKeysNothingIsStored(t *testing.T) {
	world.Run(t, func(w *world.World) {
		a, b := enrolled(w, "a"), enrolled(w, "b")
		setPhone(w, a, "+8613800138000", nil)
		setPhone(w, b, "+8613800138000", nil)
		setPhone(w, "unknown", "+8613800138000", member.ErrMemberUnknown)
		w.SealForms(formKeys(t, 1))
		holder(w, "13800138000", "")
	})
}

func TestExport_HasThePhone(t *testing.T) {
	runForms(t, func(w *world.World) {
		a, b := enrolled(w, "a"), enrolled(w, "b")
		setPhone(w, a, "+8613800138000", nil)
		setPhone(w, b, "+85291234567", nil)
		var file bytes.Buffer
		if err := w.Members.Export(w.Context(), &file, sheet.File{Format: sheet.CSV}); err != nil {
			w.Fatal(err)
		}
		for _, want := range []string{",phone,", ",13800138000,", "+85291234567"} {
			if !strings.Contains(file.String(), want) {
				w.Errorf("no %s in %s", want, file.String())
			}
		}
	})
}
