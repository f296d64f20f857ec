package card_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/addcard/addcard/internal/card"
	"github.com/addcard/addcard/internal/card/sqlstore"
	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/sqldb/sqldbtest"
)

// merchant is the account at WeChat, as far as cards are created and changed.
type merchant struct {
	card.Account // nil: the calls that a test does not expect
	mu           sync.Mutex
	cards        []card.Card
	uploads      int
	prefix       string // of card_ids
	host         string // of uploaded pictures
	before       func(call string)
}

func (m *merchant) enter(call string) func() {
	if m.before != nil {
		m.before(call)
	}
	m.mu.Lock()
	return m.mu.Unlock
}

func (m *merchant) CardIDs(_ context.Context, offset int) (ids []string, total int, err error) {
	defer m.enter("list")()
	for _, c := range m.cards[min(offset, len(m.cards)):] {
		ids = append(ids, c.ID)
	}
	return ids, len(m.cards), nil
}

func (m *merchant) Card(_ context.Context, id string) (card.Card, error) {
	defer m.enter("get")()
	for _, c := range m.cards {
		if c.ID == id {
			return c, nil
		}
	}
	return card.Card{}, card.ErrNotFound
}

func (m *merchant) RawCard(ctx context.Context, id string) (card.Card, json.RawMessage, error) {
	c, err := m.Card(ctx, id)
	return c, json.RawMessage(`{"card_type":"MEMBER_CARD","member_card":{}}`), err
}

func (m *merchant) CreateCard(_ context.Context, raw json.RawMessage) (string, error) {
	defer m.enter("create")()
	var made struct {
		MemberCard struct {
			Prerogative string
			BaseInfo    struct {
				Title     string
				BrandName string `json:"brand_name"`
			} `json:"base_info"`
		} `json:"member_card"`
	}
	if err := json.Unmarshal(raw, &made); err != nil {
		return "", err
	}
	id := m.prefix + "p" + strconv.Itoa(len(m.cards))
	m.cards = append(m.cards, card.Card{ID: id, Status: card.NotVerified, Prerogative: made.MemberCard.Prerogative,
		Title: made.MemberCard.BaseInfo.Title, BrandName: made.MemberCard.BaseInfo.BrandName})
	return id, nil
}

func (m *merchant) UploadImage(context.Context, string, []byte) (string, error) {
	defer m.enter("upload")()
	m.uploads++
	host := m.host
	if host == "" {
		host = "mmbiz.qpic.cn"
	}
	return fmt.Sprintf("https://%s/%d", host, m.uploads), nil
}

func (m *merchant) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.cards)
}

// definition returns a card with these benefits.
func definition(benefits string) json.RawMessage {
	return json.RawMessage(`{"card_type":"MEMBER_CARD","member_card":{"base_info":{"logo_url":"logo.png","brand_name":"店","title":"会员卡",
		"color":"Color010","code_type":"CODE_TYPE_TEXT","notice":"a","description":"a","sku":{"quantity":1},
		"date_info":{"type":"DATE_TYPE_PERMANENT"}},"prerogative":"` + benefits + `","supply_bonus":true,"supply_balance":false,"auto_activate":true}}`)
}

var png = []byte("\x89PNG\r\n\x1a\n0123456789")

// document returns the definition as a file with a picture.
func document(benefits string) card.Document {
	return card.Document{JSON: definition(benefits), Picture: func(string) ([]byte, error) { return png, nil }, Began: time.Now()}
}

func newOperator(m card.Account, s card.Store, log *slog.Logger) *card.Operator {
	return card.NewOperator(card.New(m, s, log), m, nil, log)
}

var noLog = slog.New(slog.DiscardHandler)

// creationBubble runs test with virtual time and a store on a real database.
func creationBubble(t *testing.T, test func(t *testing.T, s *sqlstore.Store)) {
	t.Helper()
	path := sqldbtest.File(t)
	synctest.Test(t, func(t *testing.T) {
		test(t, sqlstore.New(sqldbtest.Open(t, "sqlite:"+path)))
		synctest.Wait()
	})
}

// call is one call of Create.
type call struct {
	benefits, id string
	began, ended time.Time
}

func (c call) overlaps(d call) bool {
	const coarse = time.Millisecond // the resolution of the store's clock
	return c.began.Before(d.ended.Add(-coarse)) && d.began.Before(c.ended.Add(-coarse))
}

// Whatever the order of the steps of three processes: two calls that overlap never
// create the same card twice, and a call gets a card of its own definition that a
// call which overlaps it created.
func TestCreate_OneCardInEveryInterleaving(t *testing.T) {
	t.Parallel()
	creationBubble(t, func(t *testing.T, s *sqlstore.Store) {
		for seed := range uint64(100) {
			random := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // a schedule
			var mu sync.Mutex
			pause := func(most time.Duration) time.Duration {
				mu.Lock()
				defer mu.Unlock()
				return time.Duration(random.Int64N(int64(most)))
			}
			m := &merchant{prefix: strconv.FormatUint(seed, 10), before: func(string) { time.Sleep(pause(200 * time.Millisecond)) }}
			calls := make([]call, 5)
			var wg sync.WaitGroup
			for i := range calls {
				c := &calls[i]
				c.benefits = fmt.Sprintf("%d-%d", seed, i/3)
				wg.Go(func() {
					time.Sleep(pause(time.Second))
					c.began = time.Now()
					var err error
					if c.id, err = newOperator(m, s, noLog).Create(t.Context(), document(c.benefits)); err != nil {
						t.Errorf("seed %d: %v", seed, err)
					}
					c.ended = time.Now()
				})
			}
			wg.Wait()
			checkCalls(t, seed, m, calls)
		}
	})
}

func checkCalls(t *testing.T, seed uint64, m *merchant, calls []call) {
	t.Helper()
	byID := map[string][]call{}
	for _, c := range calls {
		byID[c.id] = append(byID[c.id], c)
	}
	if len(byID) != m.count() {
		t.Errorf("seed %d: WeChat has %d cards, the calls name %d: %+v", seed, m.count(), len(byID), calls)
	}
	for _, c := range m.cards {
		for _, d := range m.cards {
			if c.ID == d.ID || c.Prerogative != d.Prerogative {
				continue
			}
			if all := append(byID[c.ID][:0:0], byID[c.ID]...); !apart(all, byID[d.ID]) {
				t.Fatalf("seed %d: twins %s and %s: %+v", seed, c.ID, d.ID, calls)
			}
		}
		for _, got := range byID[c.ID] {
			if got.benefits != c.Prerogative {
				t.Errorf("seed %d: %s is the card of another definition: %+v", seed, c.ID, calls)
			}
		}
	}
}

// apart reports whether some call of each list, the one that created the card, does
// not overlap one of the other.
func apart(a, b []call) bool {
	for _, c := range a {
		for _, d := range b {
			if !c.overlaps(d) {
				return true
			}
		}
	}
	return false
}

// The calls of eight processes wait for the first one, on both databases, and
// later another equal card can be created.
func TestCreate_OthersWaitForTheFirst(t *testing.T) {
	t.Parallel()
	sqldbtest.Engines(t, func(t *testing.T, open func(t *testing.T) *sqldb.DB) {
		s := sqlstore.New(open(t))
		var log buffer
		waiting := make(chan struct{})
		m := &merchant{before: func(call string) {
			if call == "create" {
				<-waiting
			}
		}}
		const processes = 8
		log.see = func(text string) {
			if strings.Count(text, "waiting for another call") == processes-1 {
				close(waiting)
			}
		}
		ids := map[string]int{}
		var mu sync.Mutex
		var wg sync.WaitGroup
		for range processes {
			o := newOperator(m, s, slog.New(slog.NewTextHandler(&log, nil)))
			wg.Go(func() {
				id, err := o.Create(t.Context(), document("a"))
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				ids[id]++
			})
		}
		wg.Wait()
		if m.count() != 1 || ids["p0"] != processes || m.uploads != 1 {
			t.Errorf("%d cards, %d uploads, answers %v", m.count(), m.uploads, ids)
		}
		if id, err := newOperator(m, s, noLog).Create(t.Context(), document("a")); err != nil || id != "p1" {
			t.Errorf("later: %s, %v", id, err)
		}
	})
}

// A picture that is uploaded already and the same picture as a file are equal;
// another picture makes another card.
func TestCreate_ComparesPicturesByContent(t *testing.T) {
	t.Parallel()
	creationBubble(t, func(t *testing.T, s *sqlstore.Store) {
		m := &merchant{host: "pic.example", before: func(call string) {
			if call == "create" {
				time.Sleep(time.Second)
			}
		}}
		o := newOperator(m, s, noLog)
		other := append(png[:len(png):len(png)], "another"...)
		var docs []card.Document
		for _, picture := range [][]byte{png, png, other} {
			address, err := o.Image(t.Context(), picture)
			if err != nil {
				t.Fatal(err)
			}
			docs = append(docs, card.Document{JSON: bytes.ReplaceAll(definition("a"), []byte("logo.png"), []byte(address))})
		}
		docs = append(docs, document("a"))
		ids := make([]string, len(docs))
		var wg sync.WaitGroup
		for i, doc := range docs {
			wg.Go(func() {
				var err error
				if ids[i], err = newOperator(m, s, noLog).Create(t.Context(), doc); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if m.count() != 2 || ids[0] != ids[1] || ids[0] != ids[3] || ids[0] == ids[2] {
			t.Errorf("%d cards, %v", m.count(), ids)
		}
	})
}
