package wechatsim_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/addcard/addcard/internal/wechatsim"
)

func TestFault_DirtIsWhereItIsAskedFor(t *testing.T) {
	t.Parallel()
	for dirt, want := range map[string]string{
		"control":                   `^\{ ?"errcode":40073,"errmsg":"[^"]*[\x00-\x1f][^"]*"\}$`,
		"cut":                       `^\{"errcode":40073,"errmsg":"[^"]*\]` + "\xe6\x98" + `"\}$`,
		"escapes":                   `^\{"errcode":40073,"errmsg":"[^"]*\\'\\_[^"]*"\}$`,
		"surrogates":                `^\{"errcode":40073,"errmsg":"[^"]*\\ud83d"\}$`,
		"bom,nul":                   "^\ufeff" + `\{"errcode":40073,"errmsg":"[^"]*"\}` + "\x00\x00$",
		"numbers":                   `^\{"errcode":"40073",`,
		"fractions":                 `^\{"errcode":40073\.0,`,
		"numbers,fractions,control": `^\{"errcode":"40073\.0","errmsg":"[^"]*[\x00-\x1f]`,
	} {
		r := newRig(t, wechatsim.Options{Seed: 5})
		r.fault(tree{"path": "/card/get", "dirt": dirt})
		url := "/card/get?access_token=" + r.stable(r.a.Official, false).text("access_token")
		_, body := r.raw("POST", url, encode(tree{"card_id": "p"}))
		bytewise := func(s string) string { // a regexp reads UTF-8
			var b strings.Builder
			for i := range len(s) {
				b.WriteRune(rune(s[i]))
			}
			return b.String()
		}
		if !regexp.MustCompile(bytewise(want)).MatchString(bytewise(string(body))) {
			t.Errorf("%s: %q, want %s", dirt, body, want)
		}
		if _, clean := r.raw("POST", url, encode(tree{"card_id": "p"})); !json.Valid(clean) {
			t.Errorf("%s: the next answer is dirty too: %q", dirt, clean)
		}
		again := newRig(t, wechatsim.Options{Seed: 5})
		again.fault(tree{"path": "/card/get", "dirt": dirt})
		url = "/card/get?access_token=" + again.stable(again.a.Official, false).text("access_token")
		if _, same := again.raw("POST", url, encode(tree{"card_id": "p"})); string(same) != string(body) {
			t.Errorf("%s: %q, and with the same seed %q", dirt, body, same)
		}
	}
	r := newRig(t, wechatsim.Options{})
	if res, body := r.raw("POST", "/_sim/faults", encode(tree{"path": "*", "dirt": "mud"})); res.StatusCode == 200 {
		t.Errorf("an unknown kind is accepted: %s", body)
	}
}
