package auth_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/addcard/addcard/internal/auth"
)

func entry(kid string, key []byte) string {
	return kid + ":" + base64.StdEncoding.EncodeToString(key)
}

func TestParseKeys_Accepts(t *testing.T) {
	t.Parallel()
	key := bytes.Repeat([]byte{0xfb}, 32)
	for name, list := range map[string]string{
		"one":                     entry("k1", key),
		"a longer key":            entry("k1", bytes.Repeat(key, 8)),
		"several":                 entry("k1", key) + "," + entry("k2", key),
		"spaces around an entry":  entry("k1", key) + " , " + entry("k2", key) + "\n",
		"every character of kids": entry("ABCXYZabcxyz0189._-", key),
		"a kid of 32":             entry(strings.Repeat("k", 32), key),
	} {
		if k, err := auth.ParseKeys(list); k == nil || err != nil {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestParseKeys_Refuses(t *testing.T) {
	t.Parallel()
	const secret = "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0" // 36 bytes
	for name, tt := range map[string]struct{ list, position string }{
		"nothing":               {"", "key 1"},
		"no colon":              {secret, "key 1"},
		"no kid":                {":" + secret, "key 1"},
		"kid with a space":      {"my key:" + secret, "key 1"},
		"kid with a slash":      {"../k:" + secret, "key 1"},
		"kid of 33":             {strings.Repeat("k", 33) + ":" + secret, "key 1"},
		"kid beyond ASCII":      {"ключ:" + secret, "key 1"},
		"no key":                {"k1:", "key 1"},
		"31 bytes":              {entry("k1", make([]byte, 31)), "key 1"},
		"base64url":             {"k1:" + strings.Repeat("-_", 24), "key 1"},
		"no padding":            {"k1:" + strings.TrimRight(entry("", make([]byte, 32))[1:], "="), "key 1"},
		"not canonical":         {"k1:" + strings.Repeat("A", 42) + "B=", "key 1"},
		"hexadecimal, cut":      {"k1:" + strings.Repeat("0", 63), "key 1"},
		"the same kid twice":    {"k1:" + secret + ",k1:" + secret, "key 2"},
		"a comma at the end":    {"k1:" + secret + ",", "key 2"},
		"the third of three":    {"k1:" + secret + ",k2:" + secret + ",k3", "key 3"},
		"a second colon inside": {"k1:k2:" + secret, "key 1"},
	} {
		k, err := auth.ParseKeys(tt.list)
		if k != nil || err == nil {
			t.Errorf("%s: accepted", name)
			continue
		}
		if !strings.Contains(err.Error(), tt.position) {
			t.Errorf("%s: %q does not say %s", name, err, tt.position)
		}
		if strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), "k1:") {
			t.Errorf("%s: %q quotes the list", name, err)
		}
	}
}

func TestParseKeys_TellsAllProblemsAtOnce(t *testing.T) {
	t.Parallel()
	_, err := auth.ParseKeys("a,b:c,d:" + base64.StdEncoding.EncodeToString(make([]byte, 32)) + ",e")
	for _, want := range []string{"key 1", "key 2", "key 4"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want it to say %s", err, want)
		}
	}
}

func TestKeys_NeverShow(t *testing.T) {
	t.Parallel()
	k, err := auth.ParseKeys(entry("k1", bytes.Repeat([]byte("S3CR3T"), 8)))
	if err != nil {
		t.Fatal(err)
	}
	type config struct{ keys, Keys *auth.Keys }
	var out bytes.Buffer
	for _, v := range []any{k, *k, config{k, k}, &config{k, k}, errors.New(fmt.Sprint(k))} {
		fmt.Fprintf(&out, "%v %+v %#v %s %x %q %d\n", v, v, v, v, v, v, v)
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(b)
	}
	slog.New(slog.NewJSONHandler(&out, nil)).Info("start", "keys", k, "all", config{k, k})
	slog.New(slog.NewTextHandler(&out, nil)).Info("start", "keys", k, "all", config{k, k})
	for _, secret := range []string{"S3CR3T", "533343523354", "83 51 67", "UzNDUjNU"} {
		if strings.Contains(out.String(), secret) {
			t.Errorf("found %q in %s", secret, &out)
		}
	}
}
