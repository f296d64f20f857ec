package sqlstore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/sqldb/sqldbtest"
)

// Symptom: a person's openid and unionid were found in the file after the erasure.
func TestErase_LeavesNothingInTheFiles(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "addcard.db")
	db := sqldbtest.Open(t, "sqlite:"+path)
	s := newService(db)
	var ids []string
	for i := range 60 { // so many that SQLite moves rows between pages
		ids = append(ids, storePerson(t, db, s, i))
	}
	for i, id := range ids {
		if i%3 == 0 {
			continue
		}
		if !strings.Contains(string(files(t, path)), personal(i)[0]) {
			t.Errorf("person %d was not stored: the test would not notice what is kept", i)
		}
		if err := s.Erase(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		all := files(t, path)
		for _, text := range personal(i) {
			if n := bytes.Count(all, []byte(text)); n > 0 {
				t.Fatalf("%s is there %d times after the erasure of person %d", text, n, i)
			}
		}
	}
	for i, id := range ids {
		if p, err := s.Person(t.Context(), id); i%3 == 0 && (err != nil || len(p.Identities) == 0 || len(p.Cards) != 1) {
			t.Errorf("person %d, who was not erased: %+v, %v", i, p, err)
		}
	}
}

// personal are the texts about a person that an erasure deletes. None begins another.
func personal(i int) (texts []string) {
	for _, what := range []string{"mini", "official", "union-a", "union-b", "number", "field", "phone", "sealed", "verified", "encrypted"} {
		texts = append(texts, fmt.Sprintf("%s-%03d-of-a-person", what, i))
	}
	return texts
}

// storePerson stores all the personal texts of a person in ways that move them about.
func storePerson(t *testing.T, db *sqldb.DB, s *member.Service, i int) (memberID string) {
	t.Helper()
	text, code := personal(i), fmt.Sprint("code-", i)
	memberID, err := s.Enroll(t.Context(), mini, text[0], "")
	if err == nil {
		_, err = s.Enroll(t.Context(), mini, text[0], text[2])
	}
	if err == nil {
		_, err = s.Enroll(t.Context(), mini, text[0], text[3])
	}
	if err != nil {
		t.Fatal(err)
	}
	for n, name := range []string{"user_get_card", "user_view_card", "update_member_card"} {
		if err := s.Receive(t.Context(), member.Event{
			DedupeKey: fmt.Sprint("event ", i, n), Name: name, CardID: "c1", Code: code, OpenID: text[1], UnionID: text[3],
			Fields: map[string]string{"FromUserName": text[1], "UnionId": text[3], "Filler": strings.Repeat("x", i*97%900)},
		}); err != nil {
			t.Fatal(err)
		}
	}
	write(t, db, func(ctx context.Context, tx member.Tx) error {
		c, err := tx.Card(ctx, "c1", code)
		if err != nil {
			return err
		}
		c.MembershipNumber, c.Fields[0] = text[4], text[5]
		phone := member.SealedPhone{Hash: text[8], Sealed: text[9]}
		return errors.Join(member.Save(ctx, tx, c), tx.PutPhone(ctx, memberID, phone), tx.PutForm(ctx, "c1", code, member.SealedForm{
			Key: fmt.Sprint("form ", i), Phone: text[6], Sealed: text[7] + strings.Repeat("x", i*991%5000),
		}))
	})
	return memberID
}

// files returns the content of all files of the database.
func files(t *testing.T, path string) (all []byte) {
	t.Helper()
	for _, end := range []string{"", "-wal", "-shm"} {
		content, err := os.ReadFile(path + end)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		all = append(all, content...)
	}
	return all
}
