package card_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/card"
	"github.com/addcard/addcard/internal/card/sqlstore"
)

// lossy is a merchant that creates a card, loses the answer, and then lists no cards
// until it is mended.
type lossy struct {
	*merchant
	broken bool
	hangs  bool // it lists no cards until its caller leaves
}

var errDown = errors.New("down")

func (m *lossy) CreateCard(ctx context.Context, raw json.RawMessage) (string, error) {
	if _, err := m.merchant.CreateCard(ctx, raw); err != nil {
		return "", err
	}
	m.broken = true
	return "", unanswered{errDown}
}

func (m *lossy) CardIDs(ctx context.Context, offset int) ([]string, int, error) {
	switch {
	case m.broken && m.hangs:
		<-ctx.Done()
		return nil, 0, ctx.Err()
	case m.broken:
		return nil, 0, errDown
	}
	return m.merchant.CardIDs(ctx, offset)
}

// A creation without an answer is remembered for a day, and no longer.
func TestCreate_ALostCreationIsFoundForADay(t *testing.T) {
	t.Parallel()
	for after, want := range map[time.Duration]string{23 * time.Hour: "p0", 25 * time.Hour: "p1"} {
		creationBubble(t, func(t *testing.T, s *sqlstore.Store) {
			m := &merchant{}
			if id, err := newOperator(&lossy{merchant: m}, s, noLog).Create(t.Context(), document("a")); !errors.Is(err, errDown) {
				t.Errorf("the first: %q, %v", id, err)
			}
			time.Sleep(after)
			if id, err := newOperator(m, s, noLog).Create(t.Context(), document("a")); err != nil || id != want {
				t.Errorf("after %v: got %q, %v, want %q", after, id, err, want)
			}
		})
	}
}

// The search for a lost card ends though WeChat hangs.
func TestCreate_SearchesForTwentySeconds(t *testing.T) {
	t.Parallel()
	creationBubble(t, func(t *testing.T, s *sqlstore.Store) {
		began := time.Now()
		_, err := newOperator(&lossy{merchant: &merchant{}, hangs: true}, s, noLog).Create(t.Context(), document("a"))
		if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took != 20*time.Second {
			t.Errorf("%v after %v", err, took)
		}
	})
}

// refusing is a merchant that creates no card.
type refusing struct{ *merchant }

func (refusing) CreateCard(context.Context, json.RawMessage) (string, error) { return "", errDown }

// After WeChat's refusal an equal card of another system is not taken for the one that
// was to be created.
func TestCreate_ARefusedCreationIsOver(t *testing.T) {
	t.Parallel()
	creationBubble(t, func(t *testing.T, s *sqlstore.Store) {
		m := &merchant{}
		if id, err := newOperator(refusing{m}, s, noLog).Create(t.Context(), document("a")); id != "" || !errors.Is(err, errDown) {
			t.Errorf("refused: %q, %v", id, err)
		}
		m.cards = append(m.cards, card.Card{ID: "other", Title: "会员卡", BrandName: "店"})
		if id, err := newOperator(m, s, noLog).Create(t.Context(), document("a")); err != nil || id != "p1" {
			t.Errorf("then: got %q, %v, want a card of its own", id, err)
		}
	})
}

// A caller who leaves at WeChat's answer keeps no later card from being created, and
// no call waiting.
func TestCreate_EndsThoughItsCallerHasLeft(t *testing.T) {
	t.Parallel()
	creationBubble(t, func(t *testing.T, s *sqlstore.Store) {
		ctx, leave := context.WithCancel(t.Context())
		m := &merchant{before: func(call string) {
			if call == "create" {
				leave()
			}
		}}
		if id, err := newOperator(m, s, noLog).Create(ctx, document("a")); err != nil || id != "p0" {
			t.Errorf("the first: %q, %v", id, err)
		}
		time.Sleep(time.Second)
		began := time.Now()
		if id, err := newOperator(m, s, noLog).Create(t.Context(), document("a")); err != nil || id != "p1" || time.Since(began) > time.Second {
			t.Errorf("the second: %q, %v after %v", id, err, time.Since(began))
		}
	})
}

// keeper is a merchant that keeps what it was sent.
type keeper struct {
	*merchant
	sent string
}

func (m *keeper) CreateCard(ctx context.Context, raw json.RawMessage) (string, error) {
	m.sent = string(raw)
	return m.merchant.CreateCard(ctx, raw)
}

func (m *keeper) CreateShelf(_ context.Context, raw json.RawMessage) (string, int64, error) {
	m.sent = string(raw)
	return "http://shelf", 1, nil
}

// Each file that a document names is uploaded, once, wherever WeChat has a picture.
func TestCreate_UploadsEveryPicture(t *testing.T) {
	t.Parallel()
	creationBubble(t, func(t *testing.T, s *sqlstore.Store) {
		m := &keeper{merchant: &merchant{}}
		o := newOperator(m, s, noLog)
		doc := document("a")
		doc.JSON = []byte(strings.Replace(string(doc.JSON), `"auto_activate":true`, `"auto_activate":true,"background_pic_url":"back.png",
			"advanced_info":{"abstract":{"abstract":"a","icon_url_list":["icon.png","logo.png"]},
				"text_image_list":[{"image_url":"one.png","text":"a.png"},{"image_url":"http://mmbiz.qpic.cn/two.png"}]}`, 1))
		if _, err := o.Create(t.Context(), doc); err != nil || m.uploads != 4 {
			t.Errorf("%v after %d uploads", err, m.uploads)
		}
		if n := strings.Count(m.sent, `.png"`); n != 2 { // the text, and the picture at WeChat
			t.Errorf("sent %s", m.sent)
		}
		m.uploads = 0
		doc.JSON = []byte(`{"banner":"banner.png","page_title":"a","scene":"SCENE_H5","card_list":[{"card_id":"p0","thumb_url":"thumb.png"}]}`)
		if address, page, err := o.Shelf(t.Context(), doc); err != nil || address != "http://shelf" || page != 1 || m.uploads != 2 {
			t.Errorf("%s, %d, %v after %d uploads", address, page, err, m.uploads)
		}
		if strings.Contains(m.sent, ".png") {
			t.Errorf("sent %s", m.sent)
		}
	})
}
