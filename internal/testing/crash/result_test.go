//go:build linux

package crash

import (
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/addcard/addcard/internal/testing/server"
	"github.com/addcard/addcard/internal/wechatsim"
)

// settleTime is how long after the faults every face must equal its ledger.
const settleTime = 60 * time.Second

// result counts violations.
type result struct {
	acknowledged      int
	lost              int // acknowledged entries that are not in the ledger
	duplicated        int // entries that are in the ledger twice or were refused
	outOfOrder        int // gaps in seq, wrong totals, entries before one that was acknowledged earlier
	wrongFaces        int // faces that differ from the ledger after settleTime
	olderFaces        int // of these, faces with an earlier total
	missingMessages   int // messages that the phone did not get
	repeatedMessages  int // messages that the phone got twice
	reorderedMessages int // cards with messages in another order than the ledger
	parked            int // outbox messages that are left
	settledAfter      time.Duration
}

func (v result) clean() bool {
	violations := v.lost + v.duplicated + v.outOfOrder + v.wrongFaces + v.olderFaces +
		v.missingMessages + v.repeatedMessages + v.reorderedMessages + v.parked
	return v.acknowledged > 0 && violations == 0
}

// check waits until every face equals its ledger or settleTime is over, and
// counts the violations. The load must have ended and all replicas must run.
func (s *deployment) check(l *load) (v result) {
	s.t.Helper()
	began := time.Now()
	ledgers := map[*card][]entry{}
	for _, c := range s.cards {
		ledgers[c] = s.ledger(c)
	}
	for {
		v = result{settledAfter: time.Since(began)}
		for c, list := range ledgers {
			v.countFace(s.face(c), list)
			v.countMessages(s.face(c), l.wantMessages(c, list))
		}
		waiting := s.outbox()
		if v.wrongFaces+v.missingMessages+len(waiting) == 0 || v.settledAfter > settleTime {
			v.parked = len(waiting)
			break
		}
		<-time.After(50 * time.Millisecond)
	}
	for c, list := range ledgers {
		v.countEntries(c, list, l)
	}
	s.runCheck()
	return v
}

// countEntries compares the ledger of a card with the acknowledged requests.
func (v *result) countEntries(c *card, list []entry, l *load) {
	known := map[string][]entry{} // by record
	var bonus, balance int64
	for i, e := range list {
		known[e.RecordBonus] = append(known[e.RecordBonus], e)
		bonus, balance = bonus+e.AddBonus, balance+e.AddBalance
		if e.Seq != int64(i+1) || e.Bonus != bonus || e.Balance != balance || bonus < 0 || balance < 0 {
			v.outOfOrder++
		}
	}
	for _, o := range l.requests {
		if o.card != c {
			continue
		}
		found := known[o.record]
		delete(known, o.record)
		if o.refused {
			v.duplicated += len(found)
			continue
		}
		v.acknowledged++
		switch {
		case !slices.Contains(found, o.entry):
			v.lost++
		case len(found) > 1:
			v.duplicated++
		case o.entry.Seq <= o.seqBefore:
			v.outOfOrder++
		}
	}
	for _, stray := range known { // no request asked for it
		v.duplicated += len(stray)
	}
}

func (v *result) countFace(f wechatsim.CardFace, list []entry) {
	var last entry
	if len(list) > 0 {
		last = list[len(list)-1]
	}
	if f.Bonus == last.Bonus && f.Balance == last.Balance {
		return
	}
	v.wrongFaces++
	shown := func(e entry) bool { return e.Bonus == f.Bonus && e.Balance == f.Balance }
	if f.Bonus == 0 && f.Balance == 0 || slices.ContainsFunc(list, shown) {
		v.olderFaces++
	}
}

// wantMessages returns the messages that the holder must have got, in order.
func (l *load) wantMessages(c *card, list []entry) (want []string) {
	silent := map[string]bool{}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, o := range l.requests {
		if o.card == c && !o.notify {
			silent[o.record] = true
		}
	}
	for _, e := range list {
		if silent[e.RecordBonus] {
			continue
		}
		want = append(want, fmt.Sprintf("bonus %s %+d %d", e.RecordBonus, e.AddBonus, e.Bonus))
		if e.AddBalance != 0 {
			want = append(want, fmt.Sprintf("balance %s %+d %d", e.RecordBalance, e.AddBalance, e.Balance))
		}
	}
	return want
}

// countMessages compares the messages of the phone with those that it must have
// got. The phone keeps the latest thousand.
func (v *result) countMessages(f wechatsim.CardFace, want []string) {
	const kept = 1000
	var got []string
	for _, m := range f.Messages {
		if m.Kind != "activated" {
			got = append(got, fmt.Sprintf("%s %s %+d %d", m.Kind, m.Text, m.Add, m.Total))
		}
	}
	if len(f.Messages) >= kept {
		want = want[max(0, len(want)-len(got)):]
	}
	times := map[string]int{}
	var inOrder []string
	for _, m := range got {
		if times[m]++; times[m] == 1 {
			inOrder = append(inOrder, m)
		}
	}
	v.repeatedMessages += len(got) - len(inOrder)
	for _, m := range want {
		if times[m] == 0 {
			v.missingMessages++
		}
	}
	if v.missingMessages == 0 && !slices.Equal(inOrder, want) {
		v.reorderedMessages++
	}
}

// runCheck runs the server's own check of the ledger.
func (s *deployment) runCheck() {
	s.t.Helper()
	path, err := server.Binary()
	if err != nil {
		s.t.Fatal(err)
	}
	cmd := exec.Command(path, "check")
	cmd.Env, cmd.Dir = s.env, s.t.TempDir()
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Errorf("server check: %v\n%s", err, out)
	}
}

// row returns the row of the table.
func (v result) row() string {
	return strings.Join([]string{
		fmt.Sprint(v.acknowledged), fmt.Sprint(v.lost), fmt.Sprint(v.duplicated), fmt.Sprint(v.outOfOrder),
		fmt.Sprint(v.wrongFaces), fmt.Sprint(v.olderFaces),
		fmt.Sprintf("%d / %d / %d", v.missingMessages, v.repeatedMessages, v.reorderedMessages), fmt.Sprint(v.parked),
		fmt.Sprintf("%.1f s", v.settledAfter.Seconds()),
	}, " | ")
}
