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

// grace is how long after the faults every face must equal its ledger.
const grace = 60 * time.Second

// verdict counts what must not be.
type verdict struct {
	acknowledged int
	lost         int // acknowledged, and not in the ledger as it was acknowledged
	doubled      int // in the ledger twice, or though it was refused
	disordered   int // a gap in seq, a wrong running total, an entry before one that was acknowledged when it began
	faces        int // a face that is not its ledger when the grace is over
	older        int // of these, one that shows a total which the card once had
	unheard      int // messages that the phone lacks
	twice        int // messages that the phone got twice
	overtaken    int // messages in another order than the ledger
	parked       int // messages to WeChat given up for the operator
	drained      time.Duration
}

func (v verdict) clean() bool {
	return v.acknowledged > 0 && v.lost+v.doubled+v.disordered+v.faces+v.older+v.unheard+v.twice+v.overtaken+v.parked == 0
}

// judge waits until every face equals its ledger, or the grace is over, and
// counts. The load has ended and all replicas run.
func (s *shop) judge(l *load) (v verdict) {
	s.t.Helper()
	began := time.Now()
	ledgers := map[*card][]entry{}
	for _, c := range s.cards {
		ledgers[c] = s.ledger(c)
	}
	for {
		v = verdict{drained: time.Since(began)}
		for c, list := range ledgers {
			v.face(s.face(c), list)
			v.messages(s.face(c), l.heard(c, list))
		}
		waiting := s.outbox()
		if v.faces+v.unheard+len(waiting) == 0 || v.drained > grace {
			v.parked = len(waiting)
			break
		}
		<-time.After(50 * time.Millisecond)
	}
	for c, list := range ledgers {
		v.entries(c, list, l)
	}
	s.addsUp()
	return v
}

// entries compares the ledger of a card with what was acknowledged.
func (v *verdict) entries(c *card, list []entry, l *load) {
	known := map[string][]entry{} // by record
	var bonus, balance int64
	for i, e := range list {
		known[e.RecordBonus] = append(known[e.RecordBonus], e)
		bonus, balance = bonus+e.AddBonus, balance+e.AddBalance
		if e.Seq != int64(i+1) || e.Bonus != bonus || e.Balance != balance || bonus < 0 || balance < 0 {
			v.disordered++
		}
	}
	for _, o := range l.orders {
		if o.card != c {
			continue
		}
		found := known[o.record]
		delete(known, o.record)
		if o.refused {
			v.doubled += len(found)
			continue
		}
		v.acknowledged++
		switch {
		case !slices.Contains(found, o.got):
			v.lost++
		case len(found) > 1:
			v.doubled++
		case o.got.Seq <= o.floor:
			v.disordered++
		}
	}
	for _, stray := range known { // nobody asked for it
		v.doubled += len(stray)
	}
}

func (v *verdict) face(f wechatsim.CardFace, list []entry) {
	var last entry
	if len(list) > 0 {
		last = list[len(list)-1]
	}
	if f.Bonus == last.Bonus && f.Balance == last.Balance {
		return
	}
	v.faces++
	if f.Bonus == 0 && f.Balance == 0 || slices.ContainsFunc(list, func(e entry) bool { return e.Bonus == f.Bonus && e.Balance == f.Balance }) {
		v.older++
	}
}

// heard is what the holder must have heard, in order.
func (l *load) heard(c *card, list []entry) (want []string) {
	silent := map[string]bool{}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, o := range l.orders {
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

// messages compares what the phone got with what it must have got. The phone
// keeps the latest thousand.
func (v *verdict) messages(f wechatsim.CardFace, want []string) {
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
	v.twice += len(got) - len(inOrder)
	for _, m := range want {
		if times[m] == 0 {
			v.unheard++
		}
	}
	if v.unheard == 0 && !slices.Equal(inOrder, want) {
		v.overtaken++
	}
}

// addsUp runs the server's own check of the ledger.
func (s *shop) addsUp() {
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

// told is a row of the table.
func (v verdict) told() string {
	return strings.Join([]string{
		fmt.Sprint(v.acknowledged), fmt.Sprint(v.lost), fmt.Sprint(v.doubled), fmt.Sprint(v.disordered),
		fmt.Sprint(v.faces), fmt.Sprint(v.older), fmt.Sprintf("%d / %d / %d", v.unheard, v.twice, v.overtaken), fmt.Sprint(v.parked),
		fmt.Sprintf("%.1f s", v.drained.Seconds()),
	}, " | ")
}
