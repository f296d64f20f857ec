package opencard_test

import (
	"bytes"
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/addcard/addcard/internal/testing/apptest"
	"github.com/addcard/addcard/internal/wechatsim"
)

// keys is a value of DATA_KEYS.
func keys(b byte) string {
	return "d1:" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{b}, 32))
}

// oneClick starts a server with DATA_KEYS, and returns a card whose form leads
// nowhere: WeChat activates the card by itself.
func oneClick(t *testing.T, o wechatsim.Options) (w *apptest.World, s *apptest.Server, cardID string) {
	w = apptest.New(t, o)
	w.Env["DATA_KEYS"] = keys(7)
	s = w.Serve()
	w.Connect(s)
	return w, s, w.NewCard(s, apptest.OneClick(false), func(base, _ apptest.Object) { base["can_give_friend"] = true })
}

// fillIn takes the card by the QR code in the shop and fills in its form.
func fillIn(w *apptest.World, user, cardID string, form apptest.Object) (code string) {
	w.T.Helper()
	w.Control("phones/"+user+"/scan-qr", apptest.Object{"card_id": cardID}).Is(w.T, 200)
	code = w.CodeOf(user)
	w.Control("phones/"+user+"/submit-form", apptest.Object{"card_id": cardID, "code": code, "form": form}).Is(w.T, 200)
	return code
}

// holders returns the codes of the cards of those who are found by key.
func holders(s *apptest.Server, key string) (codes []string) {
	s.T.Helper()
	for _, m := range s.Members("?query=" + key).Members {
		for _, c := range m.Cards {
			codes = append(codes, c.Code)
		}
	}
	return codes
}

// forms returns what the operator reads of the one member that key finds.
func forms(s *apptest.Server, key string) []apptest.Object {
	s.T.Helper()
	found := s.Members("?query=" + key).Members
	if len(found) != 1 {
		s.T.Fatalf("%s finds %+v", key, found)
	}
	var member struct{ Forms []apptest.Object }
	s.Operate(http.MethodGet, "/v1/members/"+found[0].ID, nil).Is(s.T, 200).JSON(s.T, &member)
	return member.Forms
}

// Symptom: the form of a card that was taken by a QR code was thrown away, and its
// phone number found no member.
func TestForm_OfACardThatTheMiniProgramNeverReports(t *testing.T) {
	t.Parallel()
	w, s, id := oneClick(t, wechatsim.Options{})
	code := fillIn(w, "ming", id,
		apptest.Object{"USER_FORM_INFO_FLAG_MOBILE": "+86 138-0013-8000", "USER_FORM_INFO_FLAG_NAME": "小明", "口味": "辣"})
	apptest.Eventually(t, "the phone number finds the holder", func() bool { return slices.Equal(holders(s, "13800138000"), []string{code}) })
	for _, spelling := range []string{
		"%2B86+138+0013+8000", "138-0013-8000", "%EF%BC%91%EF%BC%93%EF%BC%98%EF%BC%90%EF%BC%90%EF%BC%91%EF%BC%93%EF%BC%98%EF%BC%90%EF%BC%90%EF%BC%90",
		"008613800138000", "86+138+0013+8000",
	} {
		if got := holders(s, spelling); !slices.Equal(got, []string{code}) {
			t.Errorf("%s finds %v", spelling, got)
		}
	}
	for _, other := range []string{"%2B1+380+013+8000", "1380013800", "%2B85213800138000", "138001380000", "junk"} {
		if got := holders(s, other); len(got) != 0 {
			t.Errorf("%s finds %v", other, got)
		}
	}
	got := forms(s, code)
	if len(got) != 1 || got[0]["code"] != code {
		t.Fatalf("forms: %v", got)
	}
	fields, _ := got[0]["fields"].(map[string]any)
	if fields["USER_FORM_INFO_FLAG_NAME"] != "小明" || fields["口味"] != "辣" || len(fields) != 3 {
		t.Errorf("fields: %v", fields)
	}
	if strings.Contains(w.Log(), "0013") {
		t.Error("the phone number is in the log")
	}
	s.Operate(http.MethodDelete, "/v1/members/"+s.Members("?query=" + code).Members[0].ID, nil).Is(t, 204)
	if got := holders(s, "13800138000"); len(got) != 0 {
		t.Errorf("after erasure: %v", got)
	}
}
