package signature_test

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/addcard/addcard/internal/wechatsim/signature"
)

type vector struct {
	ID, Kind string
	Inputs   json.RawMessage
	Expected json.RawMessage
}

// vectors returns the published vectors of the kinds given. The test fails when
// there are none.
func vectors(t *testing.T, kinds ...string) []vector {
	t.Helper()
	raw, err := os.ReadFile("../testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Vectors []vector }
	if err := json.Unmarshal(raw, &file); err != nil {
		t.Fatal(err)
	}
	var out []vector
	for _, v := range file.Vectors {
		for _, kind := range kinds {
			if v.Kind == kind {
				out = append(out, v)
			}
		}
	}
	if len(out) == 0 {
		t.Fatalf("no vector of %v", kinds)
	}
	return out
}

func read[T any](t *testing.T, raw json.RawMessage) T {
	t.Helper()
	var out T
	if err := json.Unmarshal(raw, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// The collisions are vectors too: different fields have the same hash.
func TestVectors_Digest(t *testing.T) {
	t.Parallel()
	for _, v := range vectors(t, "card_signature", "push_signature", "push_signature_collision", "msg_signature") {
		var values []string
		for _, value := range read[map[string]string](t, v.Inputs) {
			values = append(values, value)
		}
		if got, want := signature.Sorted(values...), read[string](t, v.Expected); got != want {
			t.Errorf("%s: got %s, want %s", v.ID, got, want)
		}
	}
}

func TestVectors_SortedSHA1(t *testing.T) {
	t.Parallel()
	for _, v := range vectors(t, "sorted_sha1") {
		in := read[struct{ Values []string }](t, v.Inputs)
		if got, want := signature.Sorted(in.Values...), read[string](t, v.Expected); got != want {
			t.Errorf("%s: got %s, want %s", v.ID, got, want)
		}
	}
}

func TestVectors_JSSDK(t *testing.T) {
	t.Parallel()
	for _, v := range vectors(t, "jssdk_signature") {
		in := read[map[string]string](t, v.Inputs)
		got := signature.WebPage(in["jsapi_ticket"], in["noncestr"], in["timestamp"], in["url"])
		if want := read[string](t, v.Expected); got != want {
			t.Errorf("%s: got %s, want %s", v.ID, got, want)
		}
	}
}
