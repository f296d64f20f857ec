//go:build linux

package crash

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/testing/server"
)

// imports is an import of the members of another system, who then come by phone number,
// unionid or code.
type imports struct {
	*deployment
	dir       string
	depositID string              // a card with deposited codes
	figures   map[string][2]int64 // bonus and balance by phone number, unionid or code
}

// importSize returns the number of lines, of people who come, and of kills.
// ADDCARD_IMPORT_LINES sets the first.
func importSize() (lines, people, kills int) {
	if lines, _ = strconv.Atoi(os.Getenv("ADDCARD_IMPORT_LINES")); lines > 0 {
		return lines, max(lines/20, 60), 10
	}
	return 900, 36, 3
}

// A file is imported by a command that is killed on the way, again and again: each line
// counts once. The people come to both replicas at once, and each has what the file says,
// here and on the face.
func TestImport(t *testing.T) {
	for database := range databases {
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			n := seed(t)
			rng := rand.New(rand.NewPCG(n, 2))
			lines, people, kills := importSize()
			s := &imports{deployment: open(t, database, "", n, 2, 0), dir: t.TempDir(), figures: map[string][2]int64{}}
			s.depositID = s.createCard(object{
				"use_custom_code": true, "get_custom_code_mode": "GET_CUSTOM_CODE_MODE_DEPOSIT", "sku": object{"quantity": 0},
			})
			total := s.writeFiles(rng, lines, people)
			began := time.Now()
			for i := range kills {
				s.kill(s.importCmd("members.csv", s.cardID), i*8/kills)
			}
			counts := s.runJSON(s.importCmd("members.csv", s.cardID, "--json"))
			if got := counts["unchanged"] + counts["waiting"]; got != counts["lines"] || counts["refused"] != 0 || counts["unchanged"] == 0 {
				t.Errorf("after %d kills: %v", kills, counts)
			}
			counts = s.runJSON(s.importCmd("codes.csv", s.depositID, "--json"))
			if counts["waiting"] != counts["lines"] {
				t.Errorf("got %v", counts)
			}
			took := time.Since(began)
			if got := s.sumOfEntries(); got != total {
				t.Errorf("the ledgers have %v, the file %v", got, total)
			}
			s.run(s.server("card", "deposit", s.depositID, "deposit.txt"))
			joined := time.Now()
			s.joinAll(rng, people)
			t.Logf("%s: %d lines with %d kills in %v, %d people joined in %v", database, lines, kills, took, people, time.Since(joined))
			if got := s.sumOfEntries(); got != total {
				t.Errorf("after the joins the ledgers have %v, the file %v", got, total)
			}
			s.run(s.server("check"))
		})
	}
}

// writeFiles writes the members, a third each with a phone number, a unionid, and a code.
// The first of them are simulated users.
func (s *imports) writeFiles(rng *rand.Rand, lines, people int) (total [2]int64) {
	s.t.Helper()
	members, codes, deposit := "手机号,unionid,会员号,积分,余额（分）,姓名\n", "卡号,积分,余额（元）\n", ""
	for i := range lines {
		bonus, balance := rng.Int64N(10_000), rng.Int64N(100_000)
		total[0], total[1] = total[0]+bonus, total[1]+balance
		mark := ""
		switch i % 3 {
		case 0:
			mark = phoneOf(i)
			members += fmt.Sprintf("%s,,V%d,%d,%d,会员%d\n", mark, i, bonus, balance, i)
		case 1:
			mark = fmt.Sprint("union-", i)
			if i < people {
				p, err := s.sim.Person(userOf(i))
				if err != nil {
					s.t.Fatal(err)
				}
				mark = p.UnionID
			}
			members += fmt.Sprintf(",%s,V%d,%d,%d,\n", mark, i, bonus, balance)
		case 2:
			mark = fmt.Sprint("old", i)
			codes += fmt.Sprintf("%s,%d,%d.%02d\n", mark, bonus, balance/100, balance%100)
			if i < people {
				deposit += mark + "\n"
			}
		}
		s.figures[mark] = [2]int64{bonus, balance}
	}
	for name, text := range map[string]string{"members.csv": members, "codes.csv": codes, "deposit.txt": deposit} {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
			s.t.Fatal(err)
		}
	}
	return total
}

func phoneOf(i int) string { return fmt.Sprintf("138%08d", i) }
func userOf(i int) string  { return fmt.Sprint("member", i) }

// server returns a command of the server.
func (s *imports) server(args ...string) *exec.Cmd {
	s.t.Helper()
	path, err := server.Binary()
	if err != nil {
		s.t.Fatal(err)
	}
	cmd := exec.Command(path, args...)
	cmd.Dir, cmd.Env = s.dir, s.env
	return cmd
}

func (s *imports) importCmd(file, cardID string, more ...string) *exec.Cmd {
	s.t.Helper()
	return s.server(append([]string{"member", "import", file, "--card", cardID}, more...)...)
}

func (s *imports) run(cmd *exec.Cmd) []byte {
	s.t.Helper()
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		s.t.Fatalf("%q: %v\n%s%s", cmd.Args[1:], err, out, stderr.Bytes())
	}
	return out
}

func (s *imports) runJSON(cmd *exec.Cmd) map[string]int {
	s.t.Helper()
	var all map[string]any
	if err := json.Unmarshal(s.run(cmd), &all); err != nil {
		s.t.Fatal(err)
	}
	counts := map[string]int{}
	for name, n := range all {
		if f, ok := n.(float64); ok {
			counts[name] = int(f)
		}
	}
	return counts
}

// kill kills the command after so many tenths of its work.
func (s *imports) kill(cmd *exec.Cmd, tenths int) {
	s.t.Helper()
	progress, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		s.t.Fatal(err)
	}
	lines := bufio.NewScanner(progress)
	for done := 0; done <= tenths && lines.Scan(); {
		if strings.Contains(lines.Text(), " of ") {
			done++
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		s.t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
}

// sumOfEntries returns the sums of all ledgers.
func (s *imports) sumOfEntries() (sum [2]int64) {
	s.t.Helper()
	for cursor := ""; ; {
		var page struct {
			Entries    []entry
			NextCursor string `json:"next_cursor"`
		}
		url := s.replicas[0].Load().Admin + "/v1/entries?limit=200&cursor=" + cursor
		s.ask(http.MethodGet, url, server.AdminToken, nil, &page)
		for _, e := range page.Entries {
			sum[0], sum[1] = sum[0]+e.AddBonus, sum[1]+e.AddBalance
		}
		if cursor = page.NextCursor; cursor == "" {
			return sum
		}
	}
}

// joinAll has the people come, in random order and to both replicas, and checks what
// each of them has.
func (s *imports) joinAll(rng *rand.Rand, people int) {
	s.t.Helper()
	var wait sync.WaitGroup
	queue := make(chan int)
	for range 8 {
		wait.Go(func() {
			for i := range queue {
				s.join(i)
			}
		})
	}
	for _, i := range rng.Perm(people) {
		queue <- i
	}
	close(queue)
	wait.Wait()
	s.eventually("all is sent", func() bool { return len(s.outbox()) == 0 })
	for i := range people {
		s.checkFace(i)
	}
}

// join has a person sign in, take the card, and show the phone number before or after
// that.
func (s *imports) join(i int) {
	code, err := s.sim.Login(userOf(i))
	if err != nil {
		s.t.Error(err)
		return
	}
	base := s.replicas[i%2].Load().Public
	var in struct{ Token string }
	s.ask(http.MethodPost, base+"/v1/session", "", object{"code": code}, &in)
	other := s.replicas[(i/2)%2].Load().Public
	cardID := s.cardID
	if i%3 == 2 {
		cardID = s.depositID
	}
	if i%3 == 0 && i%2 == 0 {
		s.showPhone(other, in.Token, i)
	}
	var list json.RawMessage
	s.ask(http.MethodPost, base+"/v1/card-ext", in.Token, object{"cards": []any{object{"card_id": cardID}}}, &list)
	added, err := s.sim.AddCard(userOf(i), list)
	if err != nil {
		s.t.Error(err)
		return
	}
	s.ask(http.MethodPost, other+"/v1/claims", in.Token, object{"cardList": added}, nil)
	if i%3 == 0 && i%2 == 1 {
		s.showPhone(other, in.Token, i)
	}
}

func (s *imports) showPhone(base, token string, i int) {
	s.ask(http.MethodPut, s.wechat+"/_sim/phones/"+userOf(i), "", object{"phone": phoneOf(i)}, nil)
	code, err := s.sim.PhoneCode(userOf(i))
	if err != nil {
		s.t.Error(err)
		return
	}
	s.ask(http.MethodPost, base+"/v1/me/phone", token, object{"code": code}, nil)
}

// checkFace checks what a person's face shows.
func (s *imports) checkFace(i int) {
	s.t.Helper()
	f := s.face(&card{user: userOf(i)})
	mark := f.Code
	switch i % 3 {
	case 0:
		mark = phoneOf(i)
	case 1:
		p, err := s.sim.Person(userOf(i))
		if err != nil {
			s.t.Fatal(err)
		}
		mark = p.UnionID
	}
	want, known := s.figures[mark]
	if got := [2]int64{f.Bonus, f.Balance}; got != want || !known {
		s.t.Errorf("%s with %s: the face shows %v, the file says %v", f.Code, mark, got, want)
	}
}
