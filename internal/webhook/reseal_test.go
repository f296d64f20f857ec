package webhook_test

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/addcard/addcard/internal/datakey"
	"github.com/addcard/addcard/internal/sqldb/sqldbtest"
	"github.com/addcard/addcard/internal/webhook"
	"github.com/addcard/addcard/internal/webhook/sqlstore"
)

// The secrets stay those that the receivers have, the previous one too.
func TestReseal_KeepsTheSecrets(t *testing.T) {
	t.Parallel()
	keys := func(names string) *datakey.Keys {
		var list []string
		for _, name := range strings.Split(names, "") {
			list = append(list, name+":"+base64.StdEncoding.EncodeToString(bytes.Repeat([]byte(name), 32)))
		}
		k, err := datakey.Parse(strings.Join(list, ","))
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	store := sqlstore.New(sqldbtest.New(t))
	service := func(names string) *webhook.Service {
		return webhook.New(store, webhook.Options{Keys: keys(names)})
	}
	e, first, err := service("a").Add(t.Context(), webhook.Endpoint{URL: "https://a.example/", Events: []string{webhook.All}, Enabled: true})
	if err != nil {
		t.Fatal(err)
	}
	_, second, err := service("a").Change(t.Context(), e.ID, webhook.Change{RotateSecret: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		keys              string
		look              bool
		changed, unopened int
	}{{"ba", true, 0, 0}, {"b", true, 0, 2}, {"ba", false, 1, 0}, {"ba", false, 0, 0}, {"b", false, 0, 0}, {"c", false, 0, 2}} {
		changed, unopened, err := service(c.keys).Reseal(t.Context(), c.look)
		if changed != c.changed || len(unopened) != c.unopened || err != nil {
			t.Errorf("%+v: got %d, %q, %v", c, changed, unopened, err)
		}
	}
	if e, err = store.Endpoint(t.Context(), e.ID); err != nil {
		t.Fatal(err)
	}
	for sealed, want := range map[string]string{e.Secret: second, e.PreviousSecret: first} {
		plain, err := keys("b").Open(sealed, "webhook secret "+e.ID)
		if got := "whsec_" + base64.StdEncoding.EncodeToString(plain); got != want || err != nil {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
	}
}
