package wechatsim_test

import (
	"os"
	"strings"
	"testing"

	"github.com/addcard/addcard/internal/wechatsim"
)

// README.md must list what GET /_sim/ lists.
func TestREADME_IsComplete(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer("/_sim/phones/{user}/", "…/").Replace(string(raw))
	about := newRig(t, wechatsim.Options{}).get("/_sim/")
	for _, list := range [][2]string{{"imitates", "path"}, {"control", "route"}, {"events", "name"}, {"guesses", "name"}} {
		for _, one := range about[list[0]].([]any) {
			name := reply(one.(tree)).text(list[1])
			name = strings.NewReplacer("/_sim/phones/{user}/", "…/", "{$}", "", "{card_id}/reject", "").Replace(name)
			if _, path, both := strings.Cut(name, " "); both {
				name = path
			}
			if !strings.Contains(text, name) {
				t.Errorf("README does not mention %s %s", list[0], name)
			}
		}
	}
	for _, one := range about["guesses"].([]any) {
		for _, choice := range one.(tree)["choices"].([]any) {
			if !strings.Contains(text, "`"+choice.(string)+"`") {
				t.Errorf("README does not mention %s of %v", choice, one)
			}
		}
	}
}
