package push_test

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/addcard/addcard/internal/wechatsim/push"
)

// Vector A1 is published as a decryption. With its random bytes it is an
// encryption too.
func TestVectors_AES(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Vectors []struct {
			ID, Kind         string
			Inputs, Expected json.RawMessage
		}
	}
	read(t, raw, &file)
	seen := 0
	for _, v := range file.Vectors {
		in, want := map[string]string{}, ""
		switch v.Kind {
		case "aes_encrypt":
			read(t, v.Inputs, &in)
			read(t, v.Expected, &want)
		case "aes_decrypt":
			read(t, v.Inputs, &in)
			var opened map[string]any
			read(t, v.Expected, &opened)
			want = in["encrypt"]
			for _, name := range []string{"random", "msg", "appid"} {
				in[name] = opened[name].(string)
			}
		default:
			continue
		}
		seen++
		got, err := push.SealMessage(in["encoding_aes_key"], in["random"], in["msg"], in["appid"])
		if err != nil || got != want {
			t.Errorf("%s: got %s, %v, want %s", v.ID, got, err, want)
		}
	}
	if seen == 0 {
		t.Fatal("no vector of AES")
	}
}

func read(t *testing.T, raw []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(raw, into); err != nil {
		t.Fatal(err)
	}
}
