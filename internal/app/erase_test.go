package app_test

import (
	"bytes"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/sqldb"
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

// A reader that needs the old rows, such as a backup, delays what is left of an erasure
// and does not undo it.
func TestErase_IsFinishedWhenAReaderIsDone(t *testing.T) {
	t.Parallel()
	w, s, file := onFile(t)
	_, memberID := w.Login(s, "ming")
	found := s.Members("?query=" + memberID)
	if len(found.Members) != 1 || len(found.Members[0].Identities) != 1 {
		t.Fatalf("got %+v", found)
	}
	openID := []byte(found.Members[0].Identities[0].OpenID)
	reader, err := sqldb.Open(t.Context(), "sqlite:"+file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = reader.Close() }()
	rows, err := reader.Read().Query(sqldb.Each(t.Context(), time.Hour), "select openid from identity union all select openid from identity")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	if !rows.Next() {
		t.Fatal(rows.Err())
	}
	s.Operate(http.MethodDelete, "/v1/members/"+memberID, nil).Is(t, http.StatusNoContent)
	if !anyHas(t, file, openID) {
		t.Error("nothing is left although it is being read: the test would not notice what is kept")
	}
	if err := rows.Close(); err != nil {
		t.Fatal(err)
	}
	apptest.Eventually(t, "nothing of the person is in the files", func() bool { return !anyHas(t, file, openID) })
}

// anyHas reports whether one of the files of a database contains the text.
func anyHas(t *testing.T, file string, text []byte) bool {
	t.Helper()
	for _, end := range []string{"", "-wal", "-shm"} {
		content, err := os.ReadFile(file + end)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		if bytes.Contains(content, text) {
			return true
		}
	}
	return false
}
