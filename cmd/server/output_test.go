package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/cardext"
	"github.com/addcard/addcard/internal/ledger"
	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/outbox"
)

func TestYuan_HasTwoDigitsAndASign(t *testing.T) {
	t.Parallel()
	for fen, want := range map[int64][2]string{
		0: {"¥0.00", "+¥0.00"}, 5: {"¥0.05", "+¥0.05"}, 8800: {"¥88.00", "+¥88.00"}, -5: {"-¥0.05", "-¥0.05"}, -12345: {"-¥123.45", "-¥123.45"},
	} {
		if got := [2]string{yuan(fen), signedYuan(fen)}; got != want {
			t.Errorf("%d: got %q, want %q", fen, got, want)
		}
	}
}

// An export replaces the one before only once it is complete.
func TestReplaceFile_KeepsTheOldFileUntilTheNewOneIsComplete(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "members.csv")
	write := func(text string, failed error) func(*os.File) error {
		return func(f *os.File) error {
			_, err := f.WriteString(text)
			return errors.Join(err, failed)
		}
	}
	full := errors.New("disk full")
	for _, step := range []struct {
		text   string
		failed error
		want   string
	}{{"one", nil, "one"}, {"half of t", full, "one"}, {"three", nil, "three"}} {
		if err := replaceFile(path, write(step.text, step.failed)); !errors.Is(err, step.failed) {
			t.Errorf("%s: got %v", step.text, err)
		}
		got, err := os.ReadFile(path)
		if err != nil || string(got) != step.want {
			t.Errorf("after %s: got %q, %v, want %q", step.text, got, err, step.want)
		}
		if files, err := os.ReadDir(dir); err != nil || len(files) != 1 {
			t.Errorf("after %s: the folder has %v, %v", step.text, files, err)
		}
	}
}

func TestPrintPerson_JSONHasEveryValue(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	p := member.Person{
		ID: "m1", CreatedAt: at, Identities: []member.Identity{{AppID: "wx1", OpenID: "o1", UnionID: "u1"}},
		Cards: []member.Card{{CardID: "p1", Code: "c1", Status: member.Active, MembershipNumber: "n1", Bonus: 7, Balance: 800, OuterStr: "door",
			ClaimedAt: at.Add(time.Hour), ActivatedAt: at.Add(2 * time.Hour)}},
	}
	var out bytes.Buffer
	want := `{"id":"m1","created_at":"2026-01-02T03:04:05Z","identities":[{"app_id":"wx1","openid":"o1","unionid":"u1"}],` +
		`"cards":[{"card_id":"p1","code":"c1","status":"active","membership_number":"n1","bonus":7,"balance":800,"outer_str":"door",` +
		`"claimed_at":"2026-01-02T04:04:05Z","activated_at":"2026-01-02T05:04:05Z"}]}` + "\n"
	if err := printPerson(&out, p, true); err != nil || out.String() != want {
		t.Errorf("got %s, %v\nwant %s", &out, err, want)
	}
	out.Reset()
	if err := printPerson(&out, p, false); err != nil {
		t.Error(err)
	}
	for _, part := range []string{"m1", "o1", "wx1", "u1", "active", "c1", "p1", "bonus 7", "balance ¥8.00"} {
		if !strings.Contains(out.String(), part) {
			t.Errorf("%q is not in %s", part, &out)
		}
	}
}

func TestMemberAdjust_BooksWhatTheFlagsSay(t *testing.T) {
	t.Parallel()
	got := (&memberAdjustCmd{Bonus: 5, Balance: -700, Record: "a", BalanceRecord: "b"}).booking()
	want := ledger.Booking{AddBonus: 5, AddBalance: -700, RecordBonus: "a", RecordBalance: "b", NotifyBonus: true, NotifyBalance: true}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got, want := (&memberAdjustCmd{Reverses: "e1", Silent: true}).booking(), (ledger.Booking{Reverses: "e1"}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestMemberAdjust_RefusesWhatNoEntryCanBe(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		cmd  memberAdjustCmd
		good bool
	}{
		{memberAdjustCmd{Bonus: ledger.MaxAdd}, true}, {memberAdjustCmd{Bonus: ledger.MaxAdd + 1}, false},
		{memberAdjustCmd{Balance: -ledger.MaxAdd}, true}, {memberAdjustCmd{Balance: -ledger.MaxAdd - 1}, false},
		{memberAdjustCmd{Balance: 1, BalanceRecord: "a\x1b[2J"}, false}, {memberAdjustCmd{Bonus: 1, Record: "a\n"}, false},
		{memberAdjustCmd{Bonus: 1, Record: strings.Repeat("积", 14)}, true}, {memberAdjustCmd{Balance: 1, BalanceRecord: strings.Repeat("积", 15)}, false},
		{memberAdjustCmd{Reverses: "e1"}, true}, {memberAdjustCmd{Reverses: "e1", Balance: 1}, false}, {memberAdjustCmd{}, false},
	} {
		if err := c.cmd.check(); (err == nil) != c.good {
			t.Errorf("%+v: got %v", c.cmd, err)
		}
	}
}

// A script that runs the check goes by its exit code.
func TestCheck_FailsForEverythingThatNeedsAnOperator(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]checkResult{
		"damage": {Damage: []string{"x"}}, "unbalanced": {Unbalanced: make([]unbalancedCard, 1)}, "drift": {Drifts: make([]driftingCard, 1)},
		"dead": {Dead: 1},
	} {
		var out bytes.Buffer
		if err := r.print(&out); err != nil || !r.needsOperator() || strings.Count(out.String(), "LOOK") != 1 {
			t.Errorf("%s: %v, %t, %s", name, err, r.needsOperator(), &out)
		}
	}
	if (checkResult{Waiting: 5, OldestS: 60}).needsOperator() {
		t.Error("messages that wait need no operator")
	}
}

func TestExplain_PassesOnWhatWasSigned(t *testing.T) {
	t.Parallel()
	got := signedFlags{SignedCardID: "p", SignedCode: "c", SignedOpenID: "o", SignedNonceStr: "n", SignedTimestamp: "1"}.signed()
	if want := (cardext.Signed{CardID: "p", Code: "c", OpenID: "o", NonceStr: "n", Timestamp: "1"}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// deadOutbox has this many dead messages, and a waiting one.
type deadOutbox struct {
	outbox.Store
	dead, calls int
}

func (o *deadOutbox) Messages(_ context.Context, f outbox.Filter, after outbox.Mark, n int) (list []outbox.Stored, _ error) {
	if o.calls++; o.calls > 10 {
		return nil, errors.New("the list is read again and again")
	}
	for i := range o.dead {
		id := fmt.Sprintf("m%05d", i)
		if id > after.ID && len(list) < n {
			list = append(list, outbox.Stored{Message: outbox.Message{ID: id}, State: outbox.Parked})
		}
	}
	if f.State != outbox.Parked && len(list) < n {
		list = append(list, outbox.Stored{Message: outbox.Message{ID: "waiting"}, State: outbox.Waiting})
	}
	return list, nil
}

func TestOutboxRetry_DeadMeansAllDeadMessages(t *testing.T) {
	t.Parallel()
	for _, dead := range []int{0, 1, 499, 500, 501, 1234} {
		ids, err := deadMessages(t.Context(), outbox.New(&deadOutbox{dead: dead}, nil))
		if err != nil || len(ids) != dead || !slices.IsSorted(ids) || len(slices.Compact(ids)) != dead || slices.Contains(ids, "waiting") {
			t.Errorf("%d: got %d ids, %v", dead, len(ids), err)
		}
	}
}
