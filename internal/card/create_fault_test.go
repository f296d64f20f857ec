package card_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/card"
	"github.com/addcard/addcard/internal/card/sqlstore"
)

// buffer is a log that calls see with its whole text at each line.
type buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
	see  func(text string)
}

func (b *buffer) Write(line []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.text.Write(line)
	if b.see != nil {
		b.see(b.text.String())
	}
	return len(line), nil
}

// mortal is the store of a process that can be killed or stopped: its calls then
// fail.
type mortal struct {
	card.Store
	mu   sync.Mutex
	dead bool
}

var errKilled = errors.New("killed")

func (m *mortal) set(dead bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.dead = dead
}

func (m *mortal) err() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dead {
		return errKilled
	}
	return nil
}

func (m *mortal) ExtendLock(ctx context.Context, name, holder string, lease time.Duration) (bool, error) {
	if err := m.err(); err != nil {
		return false, err
	}
	return m.Store.ExtendLock(ctx, name, holder, lease)
}

func (m *mortal) Unlock(ctx context.Context, name, holder string) error {
	if err := m.err(); err != nil {
		return err
	}
	return m.Store.Unlock(ctx, name, holder)
}

func (m *mortal) EndCreation(ctx context.Context, definition, exact, cardID string) error {
	if err := m.err(); err != nil {
		return err
	}
	return m.Store.EndCreation(ctx, definition, exact, cardID)
}

// A process that is killed before or after WeChat has created the card keeps the
// others waiting for seconds only, and there is one card.
func TestCreate_AKilledProcessDoesNotBlockTheOthers(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"list", "upload", "create", "get"} { // get follows create
		t.Run(at, func(t *testing.T) {
			t.Parallel()
			creationBubble(t, func(t *testing.T, s *sqlstore.Store) {
				dying := &mortal{Store: s}
				m := &merchant{}
				killed := &merchant{}
				killed.before = func(call string) {
					if call == at {
						dying.set(true)
						panic(errKilled) // no code of the process runs after this
					}
				}
				shared := sharedMerchant{m, killed}
				func() {
					defer func() { _ = recover() }()
					_, _ = newOperator(shared, dying, noLog).Create(t.Context(), document("a"))
				}()
				began := time.Now()
				if _, err := newOperator(m, s, noLog).Create(t.Context(), document("a")); err != nil {
					t.Error(err)
				}
				if took := time.Since(began); took > 20*time.Second || m.count() != 1 {
					t.Errorf("%d cards after %v", m.count(), took)
				}
			})
		})
	}
}

// sharedMerchant calls before of its second merchant and then the first one.
type sharedMerchant struct {
	*merchant
	at *merchant
}

func (s sharedMerchant) CardIDs(ctx context.Context, offset int) ([]string, int, error) {
	s.at.before("list")
	return s.merchant.CardIDs(ctx, offset)
}

func (s sharedMerchant) Card(ctx context.Context, id string) (card.Card, error) {
	s.at.before("get")
	return s.merchant.Card(ctx, id)
}

func (s sharedMerchant) UploadImage(ctx context.Context, name string, picture []byte) (string, error) {
	s.at.before("upload")
	return s.merchant.UploadImage(ctx, name, picture)
}

func (s sharedMerchant) CreateCard(ctx context.Context, raw json.RawMessage) (string, error) {
	s.at.before("create")
	return s.merchant.CreateCard(ctx, raw)
}

// A process that was stopped while it had the lock finds that it has lost it.
func TestCreate_AStoppedProcessDoesNotCreateATwin(t *testing.T) {
	t.Parallel()
	creationBubble(t, func(t *testing.T, s *sqlstore.Store) {
		stopped := &mortal{Store: s}
		m := &merchant{}
		at := &merchant{}
		at.before = func(call string) {
			if call == "upload" {
				stopped.set(true)
				time.Sleep(30 * time.Second)
				stopped.set(false)
			}
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := newOperator(sharedMerchant{m, at}, stopped, noLog).Create(t.Context(), document("a")); !errors.Is(err, card.ErrConcurrent) {
				t.Errorf("got %v, want ErrConcurrent", err)
			}
		})
		time.Sleep(time.Second)
		if _, err := newOperator(m, s, noLog).Create(t.Context(), document("a")); err != nil {
			t.Error(err)
		}
		wg.Wait()
		if m.count() != 1 {
			t.Errorf("%d cards", m.count())
		}
	})
}

// A living process may take longer than a lease.
func TestCreate_ASlowCreationKeepsItsLock(t *testing.T) {
	t.Parallel()
	creationBubble(t, func(t *testing.T, s *sqlstore.Store) {
		m := &merchant{before: func(call string) {
			if call == "create" {
				time.Sleep(2 * time.Minute)
			}
		}}
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				if id, err := newOperator(m, s, noLog).Create(t.Context(), document("a")); err != nil || id != "p0" {
					t.Errorf("%s, %v", id, err)
				}
			})
		}
		ctx, cancel := context.WithTimeout(t.Context(), 45*time.Second)
		defer cancel()
		time.Sleep(time.Second)
		if _, err := newOperator(m, s, noLog).Create(ctx, document("a")); !errors.Is(err, card.ErrConcurrent) {
			t.Errorf("at the deadline: got %v, want ErrConcurrent", err)
		}
		wg.Wait()
	})
}

// unanswered is the error of a call whose answer did not come.
type unanswered struct{ error }

func (unanswered) Ambiguous() bool { return true }

// tardy is a merchant that creates cards and does not say so in time.
type tardy struct{ *merchant }

func (m tardy) CreateCard(ctx context.Context, raw json.RawMessage) (string, error) {
	if _, err := m.merchant.CreateCard(ctx, raw); err != nil {
		return "", err
	}
	<-ctx.Done()
	return "", unanswered{ctx.Err()}
}

func (m tardy) CardIDs(ctx context.Context, offset int) ([]string, int, error) {
	if err := ctx.Err(); err != nil {
		return nil, 0, err
	}
	return m.merchant.CardIDs(ctx, offset)
}

// The usual reason for a lost answer is that the caller's time is over.
func TestCreate_SearchesWhenTheTimeIsOver(t *testing.T) {
	t.Parallel()
	creationBubble(t, func(t *testing.T, s *sqlstore.Store) {
		m := &merchant{}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if id, err := newOperator(tardy{m}, s, noLog).Create(ctx, document("a")); id != "p0" || err != nil || m.count() != 1 {
			t.Errorf("got %q, %v, %d cards", id, err, m.count())
		}
	})
}

// Two brands of one account may have cards of one title.
func TestCreate_TakesNoCardOfAnotherBrand(t *testing.T) {
	t.Parallel()
	creationBubble(t, func(t *testing.T, s *sqlstore.Store) {
		m := &merchant{}
		m.before = func(call string) {
			if call == "create" { // another system of the shop is at it, too
				m.mu.Lock()
				defer m.mu.Unlock()
				m.cards = append(m.cards, card.Card{ID: "other", Title: "会员卡", BrandName: "别的店"})
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if id, err := newOperator(tardy{m}, s, noLog).Create(ctx, document("a")); id != "p1" || err != nil {
			t.Errorf("got %q, %v", id, err)
		}
	})
}
