package member_test

import (
	"fmt"
	"testing"

	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/testing/world"
)

// reseal runs over all pages of a table and returns the sums.
func reseal(w *world.World, of member.Sealing, look bool) (all member.Resealed) {
	w.Helper()
	for after, first := "", true; first || after != ""; first = false {
		done, err := w.Reseal(w.Context(), of, after, 2, look)
		if err != nil {
			w.Fatal(err)
		}
		after = done.Last
		all.Rows, all.Changed = all.Rows+done.Rows, all.Changed+done.Changed
		all.Unopened = append(all.Unopened, done.Unopened...)
	}
	return all
}

func wantResealed(w *world.World, of member.Sealing, look bool, rows, changed, unopened int) {
	w.Helper()
	if got := reseal(w, of, look); got.Rows != rows || got.Changed != changed || len(got.Unopened) != unopened {
		w.Errorf("%s: got %+v, want %d rows, %d changed, %d not opened", of.Table, got, rows, changed, unopened)
	}
}

// Once everything is under the new key, the old one can be removed: answers are read and
// numbers found as before.
func TestReseal_MakesTheOldKeyDispensable(t *testing.T) {
	runForms(t, func(w *world.World) {
		forms, phones := member.Sealings()[0], member.Sealings()[1]
		var members []string
		for i := range 5 {
			code, number := fmt.Sprint("s", i), fmt.Sprint("1380013800", i)
			w.WeChat.Forms[code] = form(number)
			submits(w, fmt.Sprint("O", i), code, 1)
			members = append(members, enrolled(w, fmt.Sprint("m", i)))
			setPhone(w, members[i], "+86"+fmt.Sprint("1390013900", i), nil)
		}
		w.WeChat.Forms["bare"] = []member.Answer{{Name: "USER_FORM_INFO_FLAG_NAME", Value: "no number"}}
		submits(w, "bare", "bare", 1)
		w.SendAll()
		w.SealForms(formKeys(w, 9))
		setPhone(w, enrolled(w, "lost"), "+8613700137000", nil)

		w.SealForms(formKeys(w, 2, 1))
		wantResealed(w, forms, true, 6, 0, 0)
		wantResealed(w, forms, false, 6, 6, 0)
		wantResealed(w, forms, false, 6, 0, 0)
		wantResealed(w, phones, false, 6, 5, 1)
		wantResealed(w, phones, false, 6, 0, 1)
		w.SealForms(formKeys(w, 2))
		wantResealed(w, forms, true, 6, 0, 0)
		for i, id := range members {
			wantHolder(w, fmt.Sprint("1380013800", i), fmt.Sprint("s", i))
			holder(w, fmt.Sprint("1390013900", i), id)
			setPhone(w, enrolled(w, "thief"), fmt.Sprint("+861390013900", i), member.ErrPhoneTaken)
			if answers, err := w.Answers(w.Context(), "form", fmt.Sprint("s", i)); len(answers) != 2 || err != nil {
				w.Errorf("answers: %v, %v", answers, err)
			}
		}
		w.SealForms(formKeys(w, 3))
		wantResealed(w, forms, true, 6, 0, 6)
		w.SealForms(formKeys(w, 3, 1))
		if got := reseal(w, phones, true); member.KeyName(got.Unopened[0]) != "k2" && member.KeyName(got.Unopened[0]) != "k9" {
			w.Errorf("encrypted with %s", member.KeyName(got.Unopened[0]))
		}
	})
}

// A form that changes while it is read is not replaced by what it was.
func TestReseal_LosesNoAnswer(t *testing.T) {
	runForms(t, func(w *world.World) {
		w.WeChat.Forms["s1"] = form("13800138000")
		submits(w, "O1", "s1", 1)
		w.SendAll()
		forms := member.Sealings()[0]
		late := forms
		w.SealForms(formKeys(w, 2, 1))
		late.Number = func(plain []byte) (string, error) {
			w.WeChat.Forms["s1"] = append(form("13800138000"), member.Answer{Name: "口味", Value: "辣"})
			submits(w, "O1", "s1", 5)
			w.SendAll()
			return forms.Number(plain)
		}
		wantResealed(w, late, false, 1, 0, 0)
		if answers, err := w.Answers(w.Context(), "form", "s1"); answers["口味"] != "辣" || err != nil {
			w.Errorf("answers: %v, %v", answers, err)
		}
	})
}
