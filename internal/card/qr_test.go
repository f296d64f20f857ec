package card_test

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	_ "image/png" // of image.Decode
	"strings"
	"testing"

	"github.com/addcard/addcard/internal/card"
	"github.com/addcard/addcard/internal/card/sqlstore"
)

// The terminal shows the modules of the picture, with a light margin of two modules.
func TestQRTicket_TextAndPictureAreEqual(t *testing.T) {
	t.Parallel()
	ticket := card.QRTicket{URL: "http://weixin.qq.com/q/abcdefghijklmnop"}
	text, textErr := ticket.Text()
	raw, pngErr := ticket.PNG()
	if textErr != nil || pngErr != nil {
		t.Fatal(textErr, pngErr)
	}
	picture, _, err := image.Decode(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	const pixels, margin = 8, 2
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	size := len([]rune(lines[0])) - 2*margin
	border := (picture.Bounds().Dx()/pixels - size) / 2
	if size < 21 || border < margin {
		t.Fatalf("%d modules, and %d around them in the picture", size, border)
	}
	for y := -margin; y < size+margin; y++ {
		for x := -margin; x < size+margin; x++ {
			half := []rune(lines[(y+margin)/2])[x+margin]
			inText := half == ' ' || (y+margin)%2 == 0 && half == '▄' || (y+margin)%2 == 1 && half == '▀'
			at := picture.At((x+border)*pixels+pixels/2, (y+border)*pixels+pixels/2)
			if inPicture := color.GrayModel.Convert(at) == (color.Gray{}); inText != inPicture {
				t.Fatalf("module %d, %d: dark in the text %v, in the picture %v\n%s", x, y, inText, inPicture, text)
			}
		}
	}
}

// A card that has been deleted at WeChat is a deleted one from then on.
func TestShow_NoticesThatACardIsGone(t *testing.T) {
	t.Parallel()
	creationBubble(t, func(t *testing.T, s *sqlstore.Store) {
		m := &merchant{cards: []card.Card{good("p1")}}
		o := newOperator(m, s, noLog)
		if c, raw, err := o.Show(t.Context(), "p1"); err != nil || c.Title != "会员卡" || raw == nil {
			t.Errorf("at first: %+v, %s, %v", c, raw, err)
		}
		m.cards = nil
		for _, id := range []string{"p1", "p2"} {
			if c, raw, err := o.Show(t.Context(), id); !errors.Is(err, card.ErrNotFound) || raw != nil || c.ID != "" {
				t.Errorf("%s: %+v, %s, %v", id, c, raw, err)
			}
		}
		list, err := o.List(t.Context())
		if err != nil || len(list) != 1 || list[0].ID != "p1" || list[0].Status != card.Deleted {
			t.Errorf("listed: %+v, %v", list, err)
		}
	})
}
