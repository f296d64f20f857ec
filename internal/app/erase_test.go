package app_test

import (
	"bytes"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/testing/apptest"
	"github.com/addcard/addcard/internal/wechatsim"
)

// Symptoms: an erased person's session could read for two hours, on every replica, and
// the file had the openid.
func TestErase_EndsTheSessionsOnEveryReplica(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	cardID := w.Card()
	s, other := w.Serve(), w.Serve()
	w.Connect(s)
	token, code := w.Claim(s, "ming", cardID)
	again, memberID := w.Login(other, "ming")
	keep, _ := w.Login(s, "hong")
	var found apptest.Members
	apptest.Eventually(t, "both openids are known", func() bool {
		found = s.Members("?query=" + memberID)
		return len(found.Members) == 1 && len(found.Members[0].Identities) == 2
	})
	s.Operate(http.MethodDelete, "/v1/members/"+memberID, nil).Is(t, http.StatusNoContent)
	erased, entries := time.Now(), "/v1/me/cards/"+cardID+"/codes/"+code+"/entries"
	for _, replica := range []*apptest.Server{s, other} {
		for _, token := range []string{token, again} {
			for replica.Get(entries, token).Status != http.StatusUnauthorized {
				if time.Since(erased) > 10*time.Second { // a second, on a machine that is not busy
					t.Fatal("the session of an erased person is still valid")
				}
			}
			replica.Post("/v1/card-ext", token, apptest.CardIDs(cardID)).Problem(t, http.StatusUnauthorized, "session_invalid")
		}
		replica.Get("/v1/me", keep).Is(t, http.StatusOK)
	}
	w.Phone("ming", "delete-card", `{"card_id":"`+cardID+`","code":"`+code+`"}`) // WeChat's events name the person
	w.WaitEvents()
	for _, id := range found.Members[0].Identities {
		for _, end := range []string{"", "-wal", "-shm"} {
			content, err := os.ReadFile(w.DB + end)
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				t.Fatal(err)
			}
			if bytes.Contains(content, []byte(id.OpenID)) {
				t.Errorf("the openid %s is in addcard.db%s", id.OpenID, end)
			}
		}
	}
	fresh, now := w.Login(other, "ming")
	if now == memberID {
		t.Error("the person has the old member ID")
	}
	s.Post("/v1/card-ext", fresh, apptest.CardIDs(cardID)).Is(t, http.StatusOK)
}
