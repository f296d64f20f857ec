package sqlstore_test

import (
	"context"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/datakey"
	"github.com/addcard/addcard/internal/ledger"
	ledgersql "github.com/addcard/addcard/internal/ledger/sqlstore"
	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/member/sqlstore"
	"github.com/addcard/addcard/internal/outbox"
	outboxsql "github.com/addcard/addcard/internal/outbox/sqlstore"
	"github.com/addcard/addcard/internal/sheet"
	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/sqldb/sqldbtest"
)

var errFails = errors.New("the statement fails")

// failing is a database on which the statement after the next left ones fails.
type failing struct {
	sqldb.Engine
	left   int
	failed string // the statement
}

func (f *failing) next(query string) error {
	if f.left--; f.left != -1 {
		return nil
	}
	f.failed = query
	return errFails
}

func (f *failing) Read() sqldb.Querier { return failingQuerier{f.Engine.Read(), f} }

func (f *failing) Write(ctx context.Context, fn func(context.Context, sqldb.Querier) error) error {
	return f.Engine.Write(ctx, func(ctx context.Context, tx sqldb.Querier) error { return fn(ctx, failingQuerier{tx, f}) })
}

type failingQuerier struct {
	sqldb.Querier
	f *failing
}

func (q failingQuerier) Exec(ctx context.Context, query string, args ...any) (sql.Result, error) {
	if err := q.f.next(query); err != nil {
		return nil, err
	}
	return q.Querier.Exec(ctx, query, args...)
}

func (q failingQuerier) Query(ctx context.Context, query string, args ...any) (sqldb.Rows, error) {
	if err := q.f.next(query); err != nil {
		return nil, err
	}
	return q.Querier.Query(ctx, query, args...)
}

func (q failingQuerier) QueryRow(ctx context.Context, query string, args ...any) sqldb.Row {
	if err := q.f.next(query); err != nil {
		return failingRow{}
	}
	return q.Querier.QueryRow(ctx, query, args...)
}

type failingRow struct{}

func (failingRow) Scan(...any) error { return errFails }

// services are those of a replica.
type services struct {
	*member.Service
	ledger *ledger.Service
	outbox *outbox.Service
	store  *sqlstore.Store
}

func servicesOn(t *testing.T, db *sqldb.DB) services {
	t.Helper()
	keys, err := datakey.Parse("a:" + base64.StdEncoding.EncodeToString(make([]byte, 32)))
	if err != nil {
		t.Fatal(err)
	}
	s := newService(db)
	s.SealForms(keys)
	return services{s, ledger.New(ledgersql.New(db), func() {}), outbox.New(outboxsql.New(db), nil), sqlstore.New(db)}
}

// person is one for each run, with a card of each kind.
type person struct {
	services
	t        *testing.T
	name     string
	memberID string
	code     string // issued and claimed
}

func (p person) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

// taken is the event that the person, or another, took a card.
func (p person) taken(code, who, union string) member.Event {
	return member.Event{
		DedupeKey: code + who + union, Name: "user_get_card", CardID: "c1", Code: code, OpenID: who + p.name, UnionID: union,
		At: time.Unix(1e9, 0), Fields: map[string]string{"FromUserName": who + p.name},
	}
}

func (p person) activate(code string) {
	p.must(p.store.Write(p.t.Context(), func(ctx context.Context, tx member.Tx) error {
		c, err := tx.Card(ctx, "c1", code)
		if err != nil {
			return err
		}
		c.MarkActive("number", time.Unix(1e9, 0))
		c.FaceKnown = true
		return member.Save(ctx, tx, c)
	}))
}

func (p person) request(key string) ledger.Request {
	return ledger.Request{Route: "POST", Key: p.name + key, Answer: func(e ledger.Entry) ([]byte, error) { return []byte(e.ID), nil }}
}

func (p person) book(s services, key string, b ledger.Booking) (string, error) {
	id, _, err := s.ledger.AddEntry(p.t.Context(), "c1", p.code, b, p.request(key))
	return string(id), err
}

// operations prepare what a service does, and return that.
var operations = map[string]func(p person) func(s services) error{
	"a code is issued": func(p person) func(services) error {
		return func(s services) error {
			_, err := s.Codes(p.t.Context(), p.memberID, []member.CodeRequest{{CardID: "c2", OuterStr: "a"}, {CardID: "c3"}})
			return err
		}
	},
	"a code gets a channel": func(p person) func(services) error {
		_, err := p.Codes(p.t.Context(), p.memberID, []member.CodeRequest{{CardID: "c2"}})
		p.must(err)
		return func(s services) error {
			_, err := s.Codes(p.t.Context(), p.memberID, []member.CodeRequest{{CardID: "c2", OuterStr: "a"}})
			return err
		}
	},
	"a card is claimed": func(p person) func(services) error {
		return func(s services) error {
			_, err := s.Claim(p.t.Context(), p.memberID, []member.Claim{
				{CardID: "c1", Code: p.code, Plan: member.PlanPush},
				{CardID: "c1", Code: "s" + p.name, Plan: member.PlanPush, ProvedOpenID: "O" + p.name},
			})
			return err
		}
	},
	"a card is taken": func(p person) func(services) error {
		return func(s services) error { return s.Receive(p.t.Context(), p.taken(p.code, "O", "u"+p.name)) }
	},
	"a card is deleted": func(p person) func(services) error {
		p.must(p.Receive(p.t.Context(), p.taken(p.code, "O", "")))
		e := p.taken(p.code, "O", "")
		e.Name, e.DedupeKey = "user_del_card", "deleted"+p.name
		return func(s services) error { return s.Receive(p.t.Context(), e) }
	},
	"figures change": func(p person) func(services) error {
		_, err := p.book(p.services, "k", ledger.Booking{AddBonus: 1})
		p.must(err)
		e := p.taken(p.code, "O", "")
		e.Name, e.Fields = "update_member_card", map[string]string{"ModifyBonus": "5"}
		return func(s services) error { return s.Receive(p.t.Context(), e) }
	},
	"a card is given away": func(p person) func(services) error {
		p.must(p.Receive(p.t.Context(), p.taken(p.code, "O", "")))
		p.activate(p.code)
		_, err := p.book(p.services, "k", ledger.Booking{AddBonus: 1})
		p.must(err)
		e := p.taken("given"+p.name, "R", "")
		e.OldCode, e.FriendOpenID = p.code, "O"+p.name
		return func(s services) error { return s.Receive(p.t.Context(), e) }
	},
	"a card is given to one who has a ledger": func(p person) func(services) error {
		p.must(p.Receive(p.t.Context(), p.taken(p.code, "O", "")))
		_, err := p.book(p.services, "k", ledger.Booking{AddBonus: 1})
		p.must(err)
		code := "given" + p.name
		p.must(p.Receive(p.t.Context(), p.taken(code, "R", "")))
		p.must(p.store.Write(p.t.Context(), func(ctx context.Context, tx member.Tx) error {
			return ledger.Add(ctx, tx, "c1", code, ledger.Booking{AddBonus: 2}, ledger.RouteFace, true)
		}))
		p.activate(p.code)
		e := p.taken(code, "R", "")
		e.OldCode, e.FriendOpenID, e.DedupeKey = p.code, "O"+p.name, "gift"+p.name
		return func(s services) error { return s.Receive(p.t.Context(), e) }
	},
	"a form is submitted": func(p person) func(services) error {
		form := member.Form{TicketHash: "ticket" + p.name, Answers: []member.Answer{{Name: "a", Value: "b"}}}
		return func(s services) error {
			_, err := s.Submit(p.t.Context(), p.memberID, member.Claim{CardID: "c1", Code: p.code, Plan: member.PlanForm}, form)
			return err
		}
	},
	"a form is kept": func(p person) func(services) error {
		c, err := p.CardOf(p.t.Context(), p.memberID, "c1", p.code)
		p.must(err)
		return func(s services) error {
			if _, err := s.KeepForm(p.t.Context(), c, []member.Answer{{Name: "a", Value: "b"}}); err != nil {
				return err
			}
			answers, err := s.Answers(p.t.Context(), "c1", p.code)
			if err == nil && answers["a"] != "b" {
				p.t.Errorf("answers: %v", answers)
			}
			return err
		}
	},
	"fields change": func(p person) func(services) error {
		p.activate(p.code)
		value := "gold"
		return func(s services) error {
			_, err := s.SetFields(p.t.Context(), "c1", p.code, member.FieldChange{Values: [3]*string{&value}})
			return err
		}
	},
	"a card is found in a wallet": func(p person) func(services) error {
		return func(s services) error { return s.RecordFound(p.t.Context(), "c1", "f"+p.name, "O"+p.name, "a") }
	},
	"a code ends": func(p person) func(services) error {
		return func(s services) error { return s.End(p.t.Context(), "c1", p.code) }
	},
	"a member is erased": func(p person) func(services) error {
		p.must(p.Receive(p.t.Context(), p.taken(p.code, "O", "u"+p.name)))
		return func(s services) error { return s.Erase(p.t.Context(), p.memberID) }
	},
	"unionids join two": func(p person) func(services) error {
		p.must(p.Receive(p.t.Context(), p.taken("j"+p.name, "J", "j"+p.name)))
		e := p.taken(p.code, "J", "j"+p.name)
		return func(s services) error {
			if err := s.Receive(p.t.Context(), e); err != nil {
				return err
			}
			_, err := s.Enroll(p.t.Context(), mini, "m"+p.name, "j"+p.name)
			return err
		}
	},
	"a unionid is shared": func(p person) func(services) error {
		_, err := p.Enroll(p.t.Context(), mini, "m"+p.name, "v"+p.name)
		p.must(err)
		p.must(p.Receive(p.t.Context(), p.taken("x"+p.name, "X", "v"+p.name)))
		return func(s services) error { return s.Receive(p.t.Context(), p.taken("y"+p.name, "Y", "v"+p.name)) }
	},
	"the operator looks at members": func(p person) func(services) error {
		return func(s services) error {
			ctx := p.t.Context()
			if people, err := s.Find(ctx, "M"+p.name, 9); err != nil || len(people) != 1 { // found by another spelling
				return errors.Join(err, errors.New("found none"))
			}
			if err := s.Export(ctx, io.Discard, sheet.File{Format: sheet.CSV}); err != nil {
				return err
			}
			if _, err := s.SharedUnionIDs(ctx, 9); err != nil {
				return err
			}
			return s.IndexForms(ctx)
		}
	},
	"a member looks at cards": func(p person) func(services) error {
		return func(s services) error {
			ctx := p.t.Context()
			if cards, err := s.Cards(ctx, p.memberID); err != nil || len(cards) != 1 {
				return errors.Join(err, errors.New("no cards"))
			}
			if _, err := s.OpenID(ctx, p.memberID, mini); err != nil {
				return err
			}
			if holds, err := s.Holds(ctx, p.memberID, "c1"); err != nil || !holds {
				return errors.Join(err, errors.New("it holds none"))
			}
			if used, err := s.Submitted(ctx, "unused"+p.name, "c1", p.code); err != nil || used {
				return errors.Join(err, errors.New("it was used"))
			}
			_, err := s.CardOf(ctx, p.memberID, "c1", p.code)
			return err
		}
	},
	"an entry is added and reversed": func(p person) func(services) error {
		p.activate(p.code)
		return func(s services) error {
			id, err := p.book(s, "k", ledger.Booking{AddBonus: 5, NotifyBonus: true})
			if err != nil {
				return err
			}
			if _, err := p.book(s, "r", ledger.Booking{Reverses: id}); err != nil {
				return err
			}
			if list, err := s.ledger.Entries(p.t.Context(), "c1", p.code, 0, 9); err != nil || len(list) != 2 {
				return errors.Join(err, errors.New("not two entries"))
			}
			_, err = s.ledger.Unbalanced(p.t.Context(), 9)
			return err
		}
	},
	"pushes are withdrawn and enqueued again": func(p person) func(services) error {
		p.activate(p.code)
		var m outbox.Message
		for i := range 2 {
			id, err := p.book(p.services, fmt.Sprint(i), ledger.Booking{AddBonus: 5})
			p.must(err)
			if i == 0 {
				m = outbox.Message{ID: id, CardID: "c1", Code: p.code, Kind: ledger.KindEntry, Payload: id}
			}
		}
		return func(s services) error {
			return s.store.Write(p.t.Context(), func(ctx context.Context, tx member.Tx) error {
				if err := ledger.WithdrawPushes(ctx, tx, m); err != nil {
					return err
				}
				c, err := tx.Card(ctx, "c1", p.code)
				if err != nil {
					return err
				}
				return member.AddPending(ctx, tx, c, ledger.PendingTotals|ledger.PendingField(0, true))
			})
		}
	},
	"a parked message is retried": func(p person) func(services) error {
		id := "id" + p.name
		p.must(p.store.Write(p.t.Context(), func(ctx context.Context, tx member.Tx) error {
			return tx.Enqueue(ctx, outbox.Message{ID: id, CardID: "c9", Code: p.name, Kind: "k"})
		}))
		for _, state := range []string{"dead", "waiting"} {
			sqldbtest.Exec(p.t, p.store.DB, "update outbox set state = $1 where outbox_id = $2", state, id)
		}
		sqldbtest.Exec(p.t, p.store.DB, "update outbox set state = 'dead' where outbox_id = $1", id)
		return func(s services) error {
			for range 2 { // the second time it waits
				if err := s.outbox.Retry(p.t.Context(), id); err != nil {
					return err
				}
			}
			if _, err := s.outbox.Messages(p.t.Context(), outbox.Filter{}, outbox.Mark{}, 9); err != nil {
				return err
			}
			_, err := s.outbox.Backlog(p.t.Context())
			return err
		}
	},
}

// mayFail are the statements without which an operation goes on.
var mayFail = map[string]string{
	"unionids join two": "from identity where app_id", // Enroll looks first whether there is anything to write
}

// Whichever statement fails, the operation fails: nothing is left out, and nothing that
// was half done is committed.
func TestFault_OfAnyStatementIsAnError(t *testing.T) {
	t.Parallel()
	for name, prepare := range operations {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := sqldbtest.New(t)
			good := servicesOn(t, db)
			for n := 0; ; n++ {
				p := person{services: good, t: t, name: fmt.Sprintf("%03d", n)}
				var err error
				if p.memberID, err = good.Enroll(t.Context(), mini, "m"+p.name, ""); err != nil {
					t.Fatal(err)
				}
				codes, err := good.Codes(t.Context(), p.memberID, []member.CodeRequest{{CardID: "c1"}})
				p.must(err)
				p.code = codes[0].Code
				_, err = good.Claim(t.Context(), p.memberID, []member.Claim{{CardID: "c1", Code: p.code, Plan: member.PlanManual}})
				p.must(err)
				do := prepare(p)
				f := &failing{Engine: db.Engine, left: n}
				err = do(servicesOn(t, &sqldb.DB{Engine: f}))
				if f.left >= 0 {
					if err != nil || n < 2 {
						t.Errorf("without a fault, after %d statements: %v", n, err)
					}
					return
				}
				if part := mayFail[name]; !errors.Is(err, errFails) && (part == "" || !strings.Contains(f.failed, part) || err != nil) {
					t.Errorf("statement %d failed, and the operation returned %v:\n%s", n, err, f.failed)
				}
			}
		})
	}
}
