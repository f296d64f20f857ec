package datakey_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/addcard/addcard/internal/datakey"
)

func entry(kid string, b byte) string {
	return kid + ":" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{b}, 32))
}

func parse(t *testing.T, list string) *datakey.Keys {
	t.Helper()
	k, err := datakey.Parse(list)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestKeys_Rotate(t *testing.T) {
	t.Parallel()
	old := parse(t, entry("a.1", 1)) // JWT_KEYS has the same form, and kids with dots
	sealed := old.Seal([]byte("13700000000"), "card 1")
	if strings.Contains(sealed, "137") || sealed == old.Seal([]byte("13700000000"), "card 1") {
		t.Errorf("sealed %q", sealed)
	}
	both := parse(t, entry("b", 2)+", "+entry("a.1", 1))
	for _, k := range []*datakey.Keys{old, both} {
		if plain, err := k.Open(sealed, "card 1"); string(plain) != "13700000000" || err != nil {
			t.Errorf("opened %q, %v", plain, err)
		}
	}
	if both.Index("x") == old.Index("x") || both.Indexes("x")[1] != old.Index("x") || len(both.Indexes("x")) != 2 {
		t.Error("the index of the old key is missing")
	}
	for name, open := range map[string]func() ([]byte, error){
		"another about":   func() ([]byte, error) { return old.Open(sealed, "card 2") },
		"another key":     func() ([]byte, error) { return parse(t, entry("a.1", 9)).Open(sealed, "card 1") },
		"the key is gone": func() ([]byte, error) { return parse(t, entry("b", 2)).Open(sealed, "card 1") },
		"no keys":         func() ([]byte, error) { return (*datakey.Keys)(nil).Open(sealed, "card 1") },
		"cut":             func() ([]byte, error) { return old.Open(sealed[:10], "card 1") },
		"junk":            func() ([]byte, error) { return old.Open("a.1.!!", "card 1") },
		"no kid":          func() ([]byte, error) { return old.Open("AAAA", "card 1") },
		"nothing":         func() ([]byte, error) { return old.Open("", "card 1") },
	} {
		if plain, err := open(); !errors.Is(err, datakey.ErrSealed) || plain != nil {
			t.Errorf("%s: got %q, %v", name, plain, err)
		}
	}
}

// What an earlier version stored is opened and found: another derivation of the keys
// would lose every form.
func TestKeys_OpenWhatIsStored(t *testing.T) {
	t.Parallel()
	const (
		sealed = "a.2brTG5m4it_gzo_O2mzmgPj40Mm4CHUz8oqoa9HTqZDTG2gXKuoD"
		index  = "VcRN8ii0_rixz_q4T16jOnL0VndGkYm5WXZPew06OXA"
	)
	k := parse(t, entry("a", 1))
	if plain, err := k.Open(sealed, "card 1"); string(plain) != "13700000000" || err != nil {
		t.Errorf("opened %q, %v", plain, err)
	}
	if got := k.Index("13700000000"); got != index {
		t.Errorf("the index is %q, want %q", got, index)
	}
	if k.Index("") != "" || k.Indexes("") != nil {
		t.Errorf("the index of nothing is %q and %q", k.Index(""), k.Indexes(""))
	}
}

func TestKeys_None(t *testing.T) {
	t.Parallel()
	k := parse(t, " ")
	if k != nil || k.Index("x") != "" || k.Indexes("x") != nil {
		t.Errorf("got %v", k)
	}
	for _, list := range []string{"a", "a:", "a:" + base64.StdEncoding.EncodeToString(make([]byte, 31)),
		"a:" + base64.StdEncoding.EncodeToString(make([]byte, 33)), entry("a", 1) + ",", entry("", 1)} {
		if _, err := datakey.Parse(list); err == nil || strings.Contains(err.Error(), "AQEB") {
			t.Errorf("%q: %v", list, err)
		}
	}
	if _, err := datakey.Parse(entry("a", 1) + ",b"); err == nil || !strings.Contains(err.Error(), "key 2") {
		t.Errorf("the second key is wrong: %v", err)
	}
	if text := fmt.Sprintf(
		"%+v %#v",
		*parse(t, entry("a", 'k')),
		parse(t, entry("a", 'k')),
	); strings.Contains(text, "kkkk") ||
		strings.Contains(text, "107") {
		t.Errorf("fmt prints the key: %s", text)
	}
}

func TestNewest_IsTheFirstKey(t *testing.T) {
	t.Parallel()
	const a, b = "a.b:MTExMTExMTExMTExMTExMTExMTExMTExMTExMTExMTE=", "a:MjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjI="
	parse := func(list string) *datakey.Keys {
		keys, err := datakey.Parse(list)
		if err != nil {
			t.Fatal(err)
		}
		return keys
	}
	sealed := parse(a).Seal([]byte("x"), "y")
	for list, want := range map[string]bool{a: true, a + "," + b: true, b + "," + a: false, b: false} {
		if got := parse(list).Newest(sealed); got != want {
			t.Errorf("%.3s…: got %v", list, got)
		}
	}
	if (*datakey.Keys)(nil).Newest(sealed) {
		t.Error("there is no key")
	}
}
