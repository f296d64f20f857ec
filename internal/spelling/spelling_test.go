package spelling_test

import (
	"slices"
	"testing"

	"github.com/addcard/addcard/internal/spelling"
)

func TestNearest(t *testing.T) {
	t.Parallel()
	known := []string{"title", "sub_title", "service_phone", "brand_name", "ADMIN_TOKEN", "ADMIN_TOKEN_FILE"}
	for name, want := range map[string]string{
		"titel": "title", "Title": "title", "brandName": "brand_name", "brand-name": "brand_name", "phone": "service_phone",
		"admin_token": "ADMIN_TOKEN", "ADMIN_TOKNE": "ADMIN_TOKEN", "ADMIN": "ADMIN_TOKEN", "wallpaper": "", "": "",
	} {
		if got := spelling.Nearest(name, slices.Values(known)); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

func TestDistance(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"a", "", 1}, {"ab", "ba", 1}, {"abc", "ab", 1}, {"card", "cord", 1}, {"crad", "card", 1}, {"会员", "会卡", 1},
		{"abc", "xyz", 3},
	} {
		if got := spelling.Distance(c.a, c.b); got != c.want {
			t.Errorf("%q, %q: got %d, want %d", c.a, c.b, got, c.want)
		}
	}
}
